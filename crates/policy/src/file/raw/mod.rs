//! The types that mirror the file, one field per key.
//!
//! Their documentation comments are the reference and the JSON Schema; what the values mean together is
//! `resolve`'s matter. Short forms are made long as they are read.

mod address;
mod filter;
mod general;
mod pool;
mod protocol;
mod retries;
mod server_tls;
mod site;
mod target;
mod test;

pub use address::*;
pub use filter::*;
pub use general::*;
pub use pool::*;
pub use protocol::*;
pub use retries::*;
pub use server_tls::*;
pub use site::*;
pub use target::*;
pub use test::*;

/// A key as it is written, where that is not the field's name.
macro_rules! key_name {
    ($key:ident) => {
        stringify!($key)
    };
    ($key:ident $written:literal) => {
        $written
    };
}
use key_name;

/// Declares a map with known keys: the struct, and how it is read and documented. A key that Rust has taken for itself is
/// written `field as "key"`.
macro_rules! record {
    (
        $(#[doc = $doc:literal])+
        $name:ident ($noun:literal) {
            $( $(#[doc = $key_doc:literal])+ $key:ident $(as $written:literal)? : $kind:ty, )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug, Default)]
        pub struct $name {
            $( $(#[doc = $key_doc])+ pub $key: $crate::file::decode::Field<$kind>, )+
        }

        impl $crate::file::decode::Record for $name {
            const NOUN: &'static str = $noun;
            const KEYS: &'static [&'static str] =
                &[$( $crate::file::raw::key_name!($key $($written)?) ),+];

            fn read_key(
                &mut self,
                entry: &$crate::file::tree::Entry,
                problems: &mut $crate::file::decode::Problems,
            ) -> bool {
                match entry.key.value.as_str() {
                    $( $crate::file::raw::key_name!($key $($written)?) => {
                        self.$key = $crate::file::decode::Field::read(entry, problems);
                    } )+
                    _ => return false,
                }
                true
            }

            fn mark_broken(&mut self, key: &str) {
                match key {
                    $( $crate::file::raw::key_name!($key $($written)?) if self.$key.is_absent() => {
                        self.$key = $crate::file::decode::Field::Broken;
                    } )+
                    _ => {}
                }
            }

            fn record_shape() -> $crate::file::shape::RecordShape {
                $crate::file::shape::RecordShape {
                    noun: $noun,
                    doc: $crate::file::raw::joined(&[$( $doc ),+]),
                    keys: vec![$( $crate::file::shape::KeyShape {
                        name: $crate::file::raw::key_name!($key $($written)?),
                        doc: $crate::file::raw::joined(&[$( $key_doc ),+]),
                        shape: <$kind as $crate::file::decode::Decode>::shape(),
                    } ),+],
                }
            }
        }
    };
}
use record;

/// Reads a record that has no short form.
macro_rules! read_as_map {
    ($( $name:ident ),+ $(,)?) => { $(
        impl $crate::file::decode::Decode for $name {
            fn decode(
                node: &$crate::file::tree::Node,
                problems: &mut $crate::file::decode::Problems,
            ) -> Option<Self> {
                $crate::file::decode::record(node, "a map", problems)
            }

            fn shape() -> $crate::file::shape::Shape {
                $crate::file::raw::shape_of::<$name>(stringify!($name))
            }

            fn broken() -> Option<Self> {
                Some($crate::file::decode::broken_record())
            }
        }
    )+ };
}
use read_as_map;

/// The shape of a record.
fn shape_of<T: crate::file::decode::Record>(name: &'static str) -> crate::file::shape::Shape {
    crate::file::shape::Shape::Record { name, keys: T::record_shape }
}

/// Lines of a documentation comment as one text.
fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned()
}
