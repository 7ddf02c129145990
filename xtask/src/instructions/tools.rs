//! What figures depend on besides the code.

use crate::run::{Failure, command, output};
use std::collections::BTreeMap;

/// Versions, by the name of what they are of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools(pub BTreeMap<String, String>);

impl Tools {
    /// Those of this machine.
    ///
    /// # Errors
    /// When one does not say its version.
    pub fn here() -> Result<Tools, Failure> {
        let first = |text: String| text.lines().next().unwrap_or_default().trim().replace('"', "'");
        let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
        // Allocator and cryptography are C.
        let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
        let versions = [
            ("rustc", first(output(command(&rustc, &["--version"]))?)),
            ("cc", first(output(command(&cc, &["--version"]))?)),
            // Copying and comparing bytes is of this library.
            ("libc", first(output(command("getconf", &["GNU_LIBC_VERSION"]))?)),
            ("valgrind", first(output(command("valgrind", &["--version"]))?)),
            ("machine", machine()?),
            // They change what is built.
            ("rustflags", std::env::var("RUSTFLAGS").unwrap_or_default().replace('"', "'")),
        ];
        Ok(Tools(versions.map(|(name, version)| (name.to_owned(), version)).into()))
    }

    /// What is not the same over there, in words.
    pub fn differences(&self, other: &Tools) -> Vec<String> {
        let value = |tools: &Tools, name: &String| tools.0.get(name).cloned().unwrap_or_default();
        let names = self.0.keys().chain(other.0.keys().filter(|name| !self.0.contains_key(*name)));
        names
            .map(|name| (name, value(self, name), value(other, name)))
            .filter(|(_, was, is)| was != is)
            .map(|(name, was, is)| format!("{name} was {was} and is {is}"))
            .collect()
    }
}

/// The architecture, and the one feature of processors that still differs under valgrind: to programs it presents a
/// processor of its own, with AVX2 if the real one has it.
fn machine() -> Result<String, Failure> {
    let name = output(command("uname", &["-m"]))?;
    let features = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let avx2 = features.split_whitespace().any(|word| word == "avx2");
    Ok(format!("{}{}", name.trim(), if avx2 { " with avx2" } else { "" }))
}
