//! Frames of WebSockets (RFC 6455 section 5.2) sent back unmasked, as a server must.

use crate::bench::output::Output;

/// Takes whole frames from the front and echoes them; their bytes. Those of 64 KB and more are not understood.
pub(super) fn echo(bytes: &[u8], output: &mut Output) -> usize {
    let mut at = 0;
    let mut answer = Vec::new();
    while let Some((taken, first, payload)) = frame(&bytes[at..]) {
        answer.push(first);
        match u8::try_from(payload.len()) {
            Ok(short) if short < 126 => answer.push(short),
            _ => {
                answer.push(126);
                answer.extend_from_slice(&(payload.len() as u16).to_be_bytes());
            }
        }
        answer.extend_from_slice(&payload);
        at += taken;
    }
    if !answer.is_empty() {
        output.own(&answer);
    }
    at
}

/// The frame at the front: its bytes, its first byte, and its payload without the mask.
fn frame(bytes: &[u8]) -> Option<(usize, u8, Vec<u8>)> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let (length, mask) = match second & 0x7f {
        126 => (usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?])), 4),
        short => (usize::from(short), 2),
    };
    let start = if second & 0x80 == 0 { mask } else { mask + 4 };
    let payload = bytes.get(start..start + length)?;
    let key = &bytes[mask..start];
    let plain = match key.is_empty() {
        true => payload.to_vec(),
        false => payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect(),
    };
    Some((start + length, first, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_come_off() {
        // The example of RFC 6455 section 5.7: a masked "Hello".
        let masked = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let mut output = Output::default();
        assert_eq!(echo(&masked[..10], &mut output), 0);
        assert_eq!(echo(&masked, &mut output), 11);
        let mut written = Vec::new();
        output.flush(&mut written).expect("it is memory");
        assert_eq!(written, *b"\x81\x05Hello");
    }
}
