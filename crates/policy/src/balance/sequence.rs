//! Smooth weighted round robin, worked out beforehand.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Longer sequences are scaled down; shares are then off by less than one in this many.
const LENGTH_MAX: u64 = 8192;
/// But to no fewer turns than this for each server, so that weights still tell in pools with thousands of them.
const TURNS_MIN: u64 = 16;

/// The order in which servers take turns, each as often as its weight says and spread out evenly: as if all were served
/// at once, each at its own rate, a server's next turn may begin when the turns before it would be over, and of those
/// that may the one goes whose turn would be over first (WF²Q: Bennett and Zhang, 1996). Takes `n log n` steps.
pub(super) fn smooth(weights: &[u32]) -> Vec<u16> {
    let weights = scaled(weights);
    let sum: u64 = weights.iter().sum();
    // The turn before which a server's turns so far would not be over, and the one by which one more would be.
    let over = |server: usize, turns: u64| (turns * sum).div_ceil(weights[server]);
    let mut waiting: BinaryHeap<_> = (0..weights.len())
        .filter(|&server| weights[server] > 0)
        .map(|server| Reverse((0, server, 0)))
        .collect();
    let mut ready = BinaryHeap::with_capacity(weights.len());
    let mut sequence = Vec::new();
    for now in 0..sum {
        while let Some(&Reverse((_, server, turns))) = waiting.peek().filter(|next| next.0.0 <= now) {
            waiting.pop();
            ready.push(Reverse((over(server, turns + 1), server, turns + 1)));
        }
        // As many turns were taken as would be over by now, so somebody has had no more than his share.
        let Some(Reverse((_, server, turns))) = ready.pop() else { break };
        sequence.push(u16::try_from(server).expect("a pool has at most `SERVERS_MAX` servers"));
        waiting.push(Reverse((over(server, turns), server, turns)));
    }
    sequence
}

/// The weights in lowest terms, scaled down where their sum is too large. Nobody who has a weight is left with none.
fn scaled(weights: &[u32]) -> Vec<u64> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    let sum: u64 = weights.iter().map(|weight| u64::from(weight / divisor)).sum();
    let longest = LENGTH_MAX.max(weights.len() as u64 * TURNS_MIN);
    let scale = |weight: u64| match weight {
        0 => 0,
        weight if sum > longest => (weight * longest / sum).max(1),
        weight => weight,
    };
    weights.iter().map(|weight| scale(u64::from(weight / divisor))).collect()
}

fn greatest_common_divisor(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_out() {
        assert_eq!(smooth(&[5, 1, 1]), [0, 1, 0, 0, 2, 0, 0]);
        assert_eq!(smooth(&[1, 2]), [1, 0, 1]);
        assert_eq!(smooth(&[1, 1, 1]), [0, 1, 2]);
        assert_eq!(smooth(&[100, 100]), [0, 1]);
        assert_eq!(smooth(&[0, 3]), [1]);
        assert_eq!(smooth(&[0, 0]), [] as [u16; 0]);
        assert_eq!(smooth(&[]), [] as [u16; 0]);
    }

    #[test]
    fn long_sequences_are_scaled() {
        let weights: Vec<u32> = (0..100).map(|number| 997 - number % 5).collect();
        let sequence = smooth(&weights);
        assert!(sequence.len() as u64 <= LENGTH_MAX);
        let count = |server| sequence.iter().filter(|at| **at == server).count();
        assert!((count(0) as f64 / sequence.len() as f64 - 0.01).abs() < 0.001);
    }

    #[test]
    fn each_gets_its_share_of_every_part() {
        let weights = [7, 3, 1, 11, 0, 2];
        let sequence = smooth(&weights);
        let sum: u32 = weights.iter().sum();
        assert_eq!(sequence.len(), sum as usize);
        for turns in 0..=sequence.len() {
            for (server, weight) in weights.iter().enumerate() {
                let got = sequence[..turns].iter().filter(|at| usize::from(**at) == server).count();
                let due = turns as f64 * f64::from(*weight) / f64::from(sum);
                assert!((got as f64 - due).abs() <= 1.0, "{server} had {got} of {turns}, due are {due}");
            }
        }
    }

    #[test]
    fn many_servers_take_no_square_of_steps() {
        let start = std::time::Instant::now();
        let weights: Vec<u32> = (0..10_000).map(|number| 1 + number % 1000).collect();
        let sequence = smooth(&weights);
        // A square of steps takes many times that.
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
        let served: std::collections::HashSet<u16> = sequence.into_iter().collect();
        assert_eq!(served.len(), weights.len());
    }
}
