//! `#[derive(State)]`.

use proc_macro2::TokenStream;
use quote::quote;

use super::{assert_lines, messages, pretty};

fn errors(item: TokenStream) -> Vec<String> {
    messages(crate::derive_state::state(item))
}

#[test]
fn roles_become_constants() {
    let expanded = pretty(crate::derive_state::state(quote! {
        #[state(crate = crate::guard)]
        enum Phase {
            #[state(initial, stopped)]
            Idle,
            #[state(starting)]
            Opening,
            Migrating,
            #[state(running)]
            Up,
            #[state(stopping)]
            Draining,
            #[state(failed)]
            r#Broken,
        }
    }));
    assert_lines(
        &expanded,
        r#"
        ///
        /// | state | role | meaning |
        /// |---|---|---|
        /// | `Idle` | `initial`, `stopped` | nothing has begun; the service has ended |
        /// | `Opening` | `starting` | a start is under way |
        /// | `Migrating` | – | a step of the service's own |
        /// | `Up` | `running` | the start has succeeded |
        /// | `Draining` | `stopping` | the service was told to end |
        /// | `Broken` | `failed` | the start or the service failed, and no part of it is left |
        #[automatically_derived]
        impl crate::guard::State for Phase {
            const INITIAL: Self = Self::Idle;
            const STARTING: Self = Self::Opening;
            const RUNNING: Self = Self::Up;
            const STOPPING: Self = Self::Draining;
            const STOPPED: Self = Self::Idle;
            const FAILED: Self = Self::r#Broken;
            const VARIANTS: &'static [Self] = &[
                Self::Idle,
                Self::Opening,
                Self::Migrating,
                Self::Up,
                Self::Draining,
                Self::r#Broken,
            ];
            fn index(self) -> ::core::primitive::u8 {
                match self {
                    Self::Idle => 0u8,
                    Self::Opening => 1u8,
                    Self::Migrating => 2u8,
                    Self::Up => 3u8,
                    Self::Draining => 4u8,
                    Self::r#Broken => 5u8,
                }
            }
            fn name(self) -> &'static ::core::primitive::str {
                match self {
                    Self::Idle => "Idle",
                    Self::Opening => "Opening",
                    Self::Migrating => "Migrating",
                    Self::Up => "Up",
                    Self::Draining => "Draining",
                    Self::r#Broken => "Broken",
                }
            }
        }
        "#,
    );
}

#[test]
fn each_misuse_is_told() {
    assert_eq!(
        errors(quote! {
            enum Phase<T> {
                #[state(initial, initial, runing, crate = x)]
                A(T),
                #[state(initial, starting = 1, stopping)]
                B,
            }
        }),
        [
            "a set of states has no parameters; remove them",
            "a state carries no data; write `A` alone, and keep its data beside the cell",
            "`runing` is not a role; did you mean `running`?",
            "`crate = PATH` belongs on the enum; move it there",
            "a role takes no value; write `starting`",
            "`A` is `initial` already; say it once",
            "`A` is `initial` already, and a role belongs to one variant; \
             remove it from one of the two",
            "no variant is `stopped` or `failed`; write `#[state(stopped, failed)]` on those that \
             are, one variant may have several roles",
        ]
    );
}

#[test]
fn roles_stand_in_parentheses() {
    let told = |attr: TokenStream| {
        errors(quote! {
            enum Phase {
                #[state(initial, starting, stopping, stopped, failed)]
                Down,
                #attr
                Up,
            }
        })
    };
    let meant = "a variant's roles stand in parentheses; write `#[state(running)]`";
    let unknown = "a variant's roles stand in parentheses; write `#[state(running)]` if this \
                   variant is that, or remove it from a step of the service's own";
    let missing = "no variant is `running`; write `#[state(running)]` on the one that is";
    assert_eq!(told(quote!(#[state = "running"])), [meant]);
    assert_eq!(told(quote!(#[state = running])), [meant]);
    assert_eq!(told(quote!(#[state])), [unknown, missing]);
    assert_eq!(told(quote!(#[state()])), [unknown, missing]);
    assert_eq!(told(quote!(#[state = "up"])), [unknown, missing]);
}

#[test]
fn only_an_enum_has_states() {
    assert_eq!(
        errors(quote!(
            struct Phase;
        )),
        ["states are the variants of an enum; make `Phase` one"]
    );
}

#[test]
fn there_are_at_most_256() {
    let more = (0..256).map(|n| quote::format_ident!("V{n}"));
    let errors = errors(quote! {
        enum Phase {
            #[state(running)] Up,
            #[state(initial, starting, stopping, stopped, failed)] #(#more),*
        }
    });
    assert_eq!(
        errors,
        ["a set of states has at most 256 variants; remove those from here on"]
    );
}

#[test]
fn a_role_is_not_said_on_the_enum() {
    let errors = errors(quote! {
        #[state(running, other)]
        enum Phase {
            #[state(running)] Up,
            #[state(initial, starting, stopping, stopped, failed)] A,
        }
    });
    assert_eq!(
        errors,
        [
            "a role belongs to a variant; write `#[state(running)]` on the one that has it",
            "on the enum, `#[state(...)]` takes `crate = PATH`",
        ]
    );
}

#[test]
fn after_an_error_the_enum_is_still_a_state() {
    let expanded = crate::derive_state::state(quote!(
        enum Phase {
            A,
            B(u8),
        }
    ))
    .to_string();
    assert!(expanded.contains("State for Phase"), "{expanded}");
}
