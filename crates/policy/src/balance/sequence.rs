//! Smooth weighted round robin, worked out beforehand.

/// Longer sequences are scaled down; shares are then off by less than one in this many.
const LENGTH_MAX: u32 = 8192;

/// The order in which servers take turns, each as often as its weight says and spread out evenly: at each turn every
/// server gains its weight, the richest goes and pays the sum of all (nginx's algorithm).
pub(super) fn smooth(weights: &[u32]) -> Vec<u16> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor).max(1);
    let sum: u32 = weights.iter().map(|weight| weight / divisor).sum();
    let weights: Vec<i64> = weights
        .iter()
        .map(|weight| {
            let weight = weight / divisor;
            // Nobody who has a weight is scaled down to none.
            i64::from(if sum > LENGTH_MAX && weight > 0 {
                (u64::from(weight) * u64::from(LENGTH_MAX) / u64::from(sum)).max(1) as u32
            } else {
                weight
            })
        })
        .collect();
    let sum: i64 = weights.iter().sum();
    let mut gained = vec![0; weights.len()];
    let mut sequence = Vec::new();
    for _ in 0..sum {
        let mut richest = 0;
        for (server, weight) in weights.iter().enumerate() {
            gained[server] += weight;
            if gained[server] > gained[richest] {
                richest = server;
            }
        }
        gained[richest] -= sum;
        sequence.push(u16::try_from(richest).expect("a pool has at most 65,535 servers"));
    }
    sequence
}

fn greatest_common_divisor(one: u32, other: u32) -> u32 {
    if other == 0 { one } else { greatest_common_divisor(other, one % other) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_spread_out() {
        assert_eq!(smooth(&[5, 1, 1]), [0, 0, 1, 0, 2, 0, 0]);
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
        assert!(sequence.len() <= LENGTH_MAX as usize);
        let count = |server| sequence.iter().filter(|at| **at == server).count();
        assert!((count(0) as f64 / sequence.len() as f64 - 0.01).abs() < 0.001);
    }
}
