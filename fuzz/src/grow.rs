//! Growing a corpus: changed inputs that give a verdict not seen yet are kept.

use crate::mutate::{Mutation, apply};
use crate::{Target, corpus};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// What came of growing.
#[derive(Debug)]
pub struct Growth {
    /// Inputs that were run.
    pub runs: u64,
    /// Inputs that were kept.
    pub kept: usize,
    /// The smallest input found that breaks a promise, if one was found; growing stops there.
    pub broken: Option<Vec<u8>>,
}

/// Numbers that look random and are the same each time (splitmix64).
pub struct Numbers(pub u64);

impl Numbers {
    /// The next.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ number >> 31
    }

    fn mutation(&mut self) -> Mutation {
        let count = 1 + self.draw() % 5;
        let edits = (0..count).map(|_| {
            let bits = self.draw();
            (bits as u8, (bits >> 8) as u16, (bits >> 24) as u16, (bits >> 40) as u8)
        });
        let edits = edits.collect();
        (self.draw() as u16, edits)
    }
}

/// Runs changed inputs for `time`, and stores those with a new verdict, made as small as they can be with it.
///
/// # Errors
/// When an input cannot be stored.
pub fn grow(target: &Target, time: Duration, seed: u64) -> std::io::Result<Growth> {
    let mut inputs: Vec<Vec<u8>> = corpus::load(target.name).into_iter().map(|(_, input)| input).collect();
    let mut verdicts: HashSet<String> = inputs.iter().filter_map(|input| verdict(target, input)).collect();
    let mut numbers = Numbers(seed);
    let mut growth = Growth { runs: 0, kept: 0, broken: None };
    let started = Instant::now();
    while started.elapsed() < time {
        let input = apply(&numbers.mutation(), &inputs, target.words);
        growth.runs += 1;
        let Some(found) = verdict(target, &input) else {
            growth.broken = Some(shrink(input, |smaller| verdict(target, smaller).is_none()));
            break;
        };
        if !verdicts.insert(found.clone()) {
            continue;
        }
        let input = shrink(input, |smaller| verdict(target, smaller).as_ref() == Some(&found));
        std::fs::write(corpus::folder(target.name).join(file_name(&input)), &input)?;
        inputs.push(input);
        growth.kept += 1;
    }
    Ok(growth)
}

/// `None` if a promise is broken.
fn verdict(target: &Target, input: &[u8]) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| (target.check)(input))).ok()
}

/// Leaves out parts as long as `holds` says yes; gives up after a bounded number of attempts.
fn shrink(mut input: Vec<u8>, holds: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut attempts = 2000;
    let mut part = input.len().div_ceil(2);
    while part > 0 && attempts > 0 {
        let mut at = 0;
        while at < input.len() && attempts > 0 {
            let mut smaller = input.clone();
            smaller.drain(at..(at + part).min(input.len()));
            attempts -= 1;
            if holds(&smaller) {
                input = smaller;
            } else {
                at += part;
            }
        }
        part /= 2;
    }
    input
}

/// Named by its content, so that growing twice stores nothing twice.
fn file_name(input: &[u8]) -> String {
    let hash = input.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("grown-{hash:016x}")
}
