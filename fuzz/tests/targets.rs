//! Each target over its whole corpus, and over inputs drawn anew in each run.

use fuzz::{Target, corpus, mutate, targets};

/// Runs every stored input.
fn replay(target: &Target) {
    let inputs = corpus::load(target.name);
    let stored = std::fs::read_dir(corpus::folder(target.name)).map_or(0, Iterator::count);
    let mut replayed = 0;
    for (name, input) in &inputs {
        // The name is printed if a check panics: output of tests is kept until then.
        println!("corpus/{}/{name}", target.name);
        (target.check)(input);
        replayed += 1;
    }
    assert_eq!(replayed, stored, "every stored input is replayed");
    assert!(replayed > 10, "{} has a corpus of {replayed} only", target.name);
}

/// A module per target: its corpus, changed inputs from the corpus, and any bytes.
macro_rules! targets {
    ($($name:ident),+) => {
        $(mod $name {
            use super::*;

            const TARGET: &Target = &targets::$name::TARGET;

            #[test]
            fn holds_over_its_corpus() {
                replay(TARGET);
            }

            #[test]
            fn holds_over_changed_inputs() {
                let inputs: Vec<_> = corpus::load(TARGET.name).into_iter().map(|(_, input)| input).collect();
                bolero::check!().with_type::<mutate::Mutation>().with_iterations(TARGET.iterations).for_each(
                    |mutation| {
                        (TARGET.check)(&mutate::apply(mutation, &inputs, TARGET.words));
                    },
                );
            }

            #[test]
            fn holds_over_any_bytes() {
                bolero::check!().with_iterations(TARGET.iterations / 4).with_max_len(256).for_each(
                    |input: &[u8]| {
                        (TARGET.check)(input);
                    },
                );
            }
        })+

        #[test]
        fn no_target_is_forgotten() {
            let here = [$(stringify!($name)),+];
            assert_eq!(here.to_vec(), targets::ALL.iter().map(|target| target.name).collect::<Vec<_>>());
            let mut folders: Vec<_> = std::fs::read_dir(corpus::folder(""))
                .expect("a folder of corpora")
                .map(|entry| entry.expect("a folder that can be listed").file_name())
                .collect();
            folders.sort();
            let mut here = here.to_vec();
            here.sort_unstable();
            assert_eq!(folders, here, "each folder of corpora has its target");
        }
    };
}

targets!(
    head_request,
    head_response,
    chunked,
    uri,
    cookie,
    path_matcher,
    configuration,
    session_cookie,
    forwarded,
    grpc_web,
    h2_request,
    h2_response
);
