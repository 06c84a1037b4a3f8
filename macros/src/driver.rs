//! `#[cancel_guarded(ARGS)] ITEM`: parse, check, expand, and what is emitted after an error.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Expr, Signature, Stmt};

use crate::args::Args;
use crate::check::{check, not_a_function};
use crate::errors::Errors;
use crate::expand::{StripGuardSyntax, expand};
use crate::function::InputFn;
use crate::syntax::{as_variable, path_ends_in};
use crate::token_param::TokenParam;
use crate::visit::{Node, Visit as _, visit_stmts};

pub(crate) fn cancel_guarded(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &mut errors);
    let fallback = Fallback {
        strip: StripGuardSyntax {
            state: args.state.clone(),
            strips_all_stores: args.is_unparsed("state") || args.run.is_some(),
        },
        caller: args.caller.clone(),
        token: args.token.clone(),
    };
    let guard = match syn::parse2::<InputFn>(item.clone()) {
        Ok(input) => check(args, input, &mut errors),
        Err(error) => {
            errors.push(not_a_function(&item, &error));
            None
        }
    };
    match (errors.into_result(), guard) {
        (Ok(()), Some(guard)) => expand(guard),
        (Ok(()), None) => fallback.emit(item),
        (Err(errors), _) => {
            let errors = errors.into_compile_error();
            let function = fallback.emit(item);
            quote!(#errors #function)
        }
    }
}

/// The function without its guard, so that its callers still find it.
struct Fallback {
    strip: StripGuardSyntax,
    caller: Option<Ident>,
    token: Option<Expr>,
}

impl Fallback {
    /// Parses the function once more, so that nothing has to be copied where there is no error.
    fn emit(mut self, item: TokenStream) -> TokenStream {
        let Ok(mut input) = syn::parse2::<InputFn>(item.clone()) else {
            return item;
        };
        input
            .attrs
            .retain(|attr| !path_ends_in(attr.path(), "cancel_guarded"));
        self.strip.visit_node(Node::Attributes(&mut input.attrs));
        // Rustc reports it four times.
        input.sig.variadic = None;
        let caller = self.bind_caller(&input.sig);
        if let Some(stmts) = input.stmts_mut() {
            visit_stmts(stmts, &mut self.strip);
            stmts.splice(..0, caller);
        }
        quote! {
            #[allow(unused)]
            #input
        }
    }

    // Input:
    //     caller = everything
    //
    // Output:
    //     let everything = &shutdown;
    fn bind_caller(&self, sig: &Signature) -> Option<Stmt> {
        let caller = self.caller.as_ref()?;
        let named = self.token.as_ref().and_then(as_variable).cloned();
        let name = named.or_else(|| Some(TokenParam::all(sig).pop()?.ident))?;
        let binding = quote!(let #caller = &#name;);
        Some(Stmt::Expr(Expr::Verbatim(binding), None))
    }
}
