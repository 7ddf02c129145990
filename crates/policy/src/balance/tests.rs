//! Shares, disruption, and what happens when servers are down.

use super::*;
use crate::model::{Expression, Fact, Protocol, Timeouts};
use crate::source::Span;
use std::cell::Cell;
use std::time::Duration;

struct Hand {
    down: Vec<usize>,
    in_flight: Vec<u32>,
    cursor: Cell<u64>,
}

impl State for Hand {
    fn is_up(&self, _: PoolId, server: usize) -> bool {
        !self.down.contains(&server)
    }
    fn in_flight(&self, _: PoolId, server: usize) -> u32 {
        self.in_flight.get(server).copied().unwrap_or(0)
    }
    fn next(&self, _: PoolId) -> u64 {
        self.cursor.replace(self.cursor.get() + 1)
    }
}

fn pool(weights: &[u32], balance: Balance) -> Pool {
    let servers = weights.iter().enumerate().map(|(number, weight)| Server {
        name: format!("10.0.0.{number}:80"),
        address: format!("10.0.0.{number}:80").parse().unwrap(),
        weight: *weight,
        at: Span::default(),
    });
    let second = Duration::from_secs(1);
    Pool {
        name: "p".into(),
        servers: servers.collect(),
        balance,
        sticky: None,
        health: None,
        host: None,
        protocol: Protocol::H1,
        tls: None,
        timeouts: Timeouts {
            handshake: second,
            head: second,
            body: second,
            idle: second,
            connect: second,
            first_byte: second,
            total: None,
        },
        retries: None,
        at: Span::default(),
    }
}

fn ring() -> Balance {
    Balance::RingHash(Expression { fact: Fact::ClientIp, text: "client.ip".into() })
}

/// The share that each server gets of 20,000 requests.
fn shares(pool: &Pool, down: &[usize], in_flight: &[u32]) -> Vec<f64> {
    let state = Hand { down: down.to_vec(), in_flight: in_flight.to_vec(), cursor: Cell::new(0) };
    let balancer = Balancer::new(pool);
    let mut dice = Dice::new(42);
    let mut counts = vec![0u32; pool.servers.len()];
    for number in 0..20_000u64 {
        let value = crate::hash::hash(0, &number.to_le_bytes());
        let usable = |server| state.is_up(PoolId(0), server);
        let server = balancer.choose(Some(value), usable, PoolId(0), &state, &mut dice).unwrap();
        counts[server] += 1;
    }
    counts.iter().map(|count| f64::from(*count) / 20_000.0).collect()
}

#[track_caller]
fn check(found: &[f64], expected: &[f64], tolerance: f64) {
    let close = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() <= tolerance);
    assert!(close, "{found:?} is not {expected:?}");
}

#[test]
fn shares_follow_weights() {
    let weights = [1, 2, 1];
    let expected = [0.25, 0.5, 0.25];
    check(&shares(&pool(&weights, Balance::RoundRobin), &[], &[]), &expected, 0.001);
    check(&shares(&pool(&weights, Balance::LeastRequests), &[], &[]), &expected, 0.01);
    check(&shares(&pool(&weights, Balance::P2c), &[], &[]), &expected, 0.01);
    check(&shares(&pool(&weights, ring()), &[], &[]), &expected, 0.06);
}

/// The same while that many requests are in flight, of which any may be over next.
fn shares_under_load(pool: &Pool, load: usize) -> Vec<f64> {
    let mut state = Hand { down: vec![], in_flight: vec![0; pool.servers.len()], cursor: Cell::new(0) };
    let balancer = Balancer::new(pool);
    let mut dice = Dice::new(42);
    let mut running = Vec::new();
    let mut counts = vec![0u32; pool.servers.len()];
    for _ in 0..20_000 {
        if running.len() >= load {
            let over: usize = running.swap_remove(dice.below(running.len() as u32) as usize);
            state.in_flight[over] -= 1;
        }
        let server = balancer.choose(None, |_| true, PoolId(0), &state, &mut dice).unwrap();
        counts[server] += 1;
        state.in_flight[server] += 1;
        running.push(server);
    }
    counts.iter().map(|count| f64::from(*count) / 20_000.0).collect()
}

#[test]
fn shares_follow_weights_whatever_the_load() {
    for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::P2c] {
        for (load, tolerance) in [(1, 0.015), (16, 0.07), (100, 0.02), (1000, 0.02)] {
            for weights in [&[1, 3][..], &[100, 300], &[1, 2, 1], &[5, 1, 1, 3]] {
                let sum: u32 = weights.iter().sum();
                let expected: Vec<f64> =
                    weights.iter().map(|weight| f64::from(*weight) / f64::from(sum)).collect();
                let found = shares_under_load(&pool(weights, balance.clone()), load);
                check(&found, &expected, tolerance);
            }
        }
    }
}

#[test]
fn a_server_that_is_down_is_shared_by_all_others() {
    for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::P2c] {
        check(&shares(&pool(&[1, 1, 1, 1], balance), &[1], &[]), &[0.333, 0.0, 0.333, 0.333], 0.03);
    }
    check(&shares(&pool(&[1, 1, 1, 1], ring()), &[1], &[]), &[0.333, 0.0, 0.333, 0.333], 0.1);
}

#[test]
fn busy_servers_get_less() {
    check(&shares(&pool(&[1, 1], Balance::LeastRequests), &[], &[5, 2]), &[0.0, 1.0], 0.0);
    check(&shares(&pool(&[10, 1], Balance::LeastRequests), &[], &[5, 2]), &[1.0, 0.0], 0.0);
    check(&shares(&pool(&[1, 1, 1], Balance::P2c), &[], &[9, 1, 1]), &[0.0, 0.5, 0.5], 0.02);
}

#[test]
fn weight_0_and_nothing_up() {
    for balance in [Balance::RoundRobin, Balance::LeastRequests, Balance::P2c, ring()] {
        check(&shares(&pool(&[0, 1], balance.clone()), &[], &[]), &[0.0, 1.0], 0.0);
        let balancer = Balancer::new(&pool(&[1, 1], balance));
        let state = Hand { down: vec![], in_flight: vec![], cursor: Cell::new(0) };
        assert_eq!(balancer.choose(Some(1), |_| false, PoolId(0), &state, &mut Dice::new(1)), None);
    }
}

#[test]
fn few_values_move_when_a_server_leaves_the_ring() {
    let balancer = Balancer::new(&pool(&[1; 10], ring()));
    let state = Hand { down: vec![], in_flight: vec![], cursor: Cell::new(0) };
    let place = |value: u64, down: Option<usize>| {
        let value = crate::hash::hash(0, &value.to_le_bytes());
        let usable = |server| Some(server) != down;
        balancer.choose(Some(value), usable, PoolId(0), &state, &mut Dice::new(1)).unwrap()
    };
    let mut moved = 0;
    for value in 0..10_000 {
        let before = place(value, None);
        let after = place(value, Some(3));
        moved += u32::from(before != after);
        assert!(before == 3 || before == after, "only values of the server that left may move");
    }
    assert!(f64::from(moved) / 10_000.0 <= 0.12, "{moved} of 10,000 moved");
}
