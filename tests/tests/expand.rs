//! The inputs of the expansion snapshots compile and run, and so do the snapshots.
//!
//! `macros/src/tests/snapshots.rs` compares inputs and snapshots, and tells how to update them.

macro_rules! snapshots {
    ($($name:ident)*) => {
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        $(mod $name {
            mod input {
                #![allow(unreachable_pub, unused, dropping_copy_types)]
                #![allow(clippy::pedantic, clippy::manual_async_fn)]
                include!(concat!("../expand/", stringify!($name), ".rs"));
            }

            mod expanded {
                #![allow(unreachable_pub, unused, unused_qualifications, dropping_copy_types)]
                // Rustc does not report the names of generated types.
                #![allow(non_camel_case_types)]
                #![allow(clippy::all, clippy::pedantic)]
                include!(concat!("../expand/", stringify!($name), ".expanded.rs"));
            }

            #[test]
            fn runs() {
                input::run();
                expanded::run();
            }
        })*
    };
}

snapshots! {
    async_trait
    awaits
    caller
    detached
    no_state
    on_refused
    patterns
    readme
    receivers
    renamed
    restart
    runs
    shielded
    shielded_parts
    states
    stores
    sync_fns
    tail
    token_argument
    token_forms
    trait_methods
}

#[test]
fn every_snapshot_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/expand");
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let names = entries.map(|entry| {
        let name = entry.expect("the folder can be read").file_name();
        let name = name.to_string_lossy();
        name.split('.').next().unwrap_or_default().to_owned()
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names.dedup();
    assert_eq!(names, NAMES);
}
