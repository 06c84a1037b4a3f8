//! The names that generated code uses. Users can neither see nor shadow the variables.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Path;

/// The variable that holds the start, at the place of this span.
pub(crate) fn start(span: Span) -> Ident {
    Ident::new("__start", Span::mixed_site().located_at(span))
}

/// The module of the runtime. The span is kept as it is: in an expression whose tokens differ in
/// their hygiene, rustc and clippy take another one for the whole, and a suggestion cuts it off there.
pub(crate) fn runtime(span: Span) -> Ident {
    Ident::new("__cancel_guarded", span)
}

// Clippy takes a variable of the user's tokens for one that the user has bound again. `clippy::` lints
// are known to rustc as well, so that it says nothing about these.
/// The attribute of a statement that gives a variable of the user's to the body.
pub(crate) fn allow_shadowing() -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[allow(
            clippy::shadow_reuse,
            clippy::shadow_same,
            clippy::shadow_unrelated,
            clippy::pattern_type_mismatch
        )]
    }
}

// Input:
//     crate = crate::guard
//
// Output:
//     use crate::guard::__private as __cancel_guarded;
//
// The path of the crate stands in one place, so that a wrong one is one error. The user's path is
// resolved where they wrote it, so that `$crate` works.
pub(crate) fn import_runtime(krate: Option<&Path>) -> TokenStream {
    let span = Span::mixed_site();
    let krate = krate.map_or_else(
        || quote_spanned!(span=> ::cancel_guarded),
        ToTokens::to_token_stream,
    );
    let runtime = runtime(span);
    quote_spanned!(span=> use #krate::__private as #runtime;)
}
