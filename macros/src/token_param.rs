//! The parameter that is the token: how it is recognised, and the form of its child.

use proc_macro2::{Ident, Span};
use quote::format_ident;
use syn::{
    FnArg, GenericArgument, Pat, Path, PathArguments, Signature, Token, Type, TypeReference,
};

use crate::syntax::{pat_variable, path_ends_in, span_ends};

/// A parameter that is a token: a `CancellationToken` in any references, smart pointers and `Option`,
/// or a parameter that `token =` names.
#[derive(Clone)]
pub(crate) struct TokenParam {
    /// Its place among all parameters.
    pub(crate) index: usize,
    pub(crate) ident: Ident,
    /// Whether the user gave it this name. Otherwise the name is generated.
    pub(crate) has_name: bool,
    pub(crate) ty: Type,
    wraps: Vec<Wrap>,
}

/// What is around a `CancellationToken` in a type.
#[derive(Clone, Copy, PartialEq)]
enum Wrap {
    Ref,
    RefMut,
    /// `Arc`, `Rc` or `Box`.
    Pointer,
    Option,
}

/// How an owned child token takes the form of the parameter.
#[derive(Clone, Default)]
pub(crate) struct ChildForm {
    /// The references to take, the outermost first, each with whether it is a `&mut`.
    pub(crate) borrows: Vec<bool>,
    /// Whether an `Option<T>` becomes an `Option<&T>`.
    pub(crate) as_ref: bool,
}

impl TokenParam {
    /// The parameters whose type is `CancellationToken`, in anything that is looked through.
    pub(crate) fn all(sig: &Signature) -> Vec<Self> {
        let inputs = sig.inputs.iter().enumerate();
        let params = inputs.filter_map(|(index, input)| {
            let FnArg::Typed(param) = input else {
                return None;
            };
            let mut wraps = Vec::new();
            let name = pat_variable(&param.pat);
            is_token(&param.ty, &mut wraps).then(|| Self {
                index,
                ident: name
                    .cloned()
                    .unwrap_or_else(|| generated_name(index, &param.pat)),
                has_name: name.is_some(),
                ty: Type::clone(&param.ty),
                wraps,
            })
        });
        params.collect()
    }

    /// The parameter of this name, whatever its type. Two parameters may have one name, each under
    /// a `cfg`: then neither is meant.
    pub(crate) fn named(sig: &Signature, name: &Ident) -> Option<Self> {
        let inputs = sig.inputs.iter().enumerate();
        let mut params = inputs.filter_map(|(index, input)| match input {
            FnArg::Typed(param) if pat_variable(&param.pat) == Some(name) => Some((index, param)),
            _ => None,
        });
        let (index, param) = params.next()?;
        if params.next().is_some() {
            return None;
        }
        let mut wraps = Vec::new();
        // An alias is looked through as far as its references are visible.
        let _ = is_token(&param.ty, &mut wraps);
        Some(Self {
            index,
            ident: name.clone(),
            has_name: true,
            ty: Type::clone(&param.ty),
            wraps,
        })
    }

    /// The `ref` that binds it.
    pub(crate) fn by_ref(&self, sig: &Signature) -> Option<Token![ref]> {
        match sig.inputs.get(self.index)? {
            FnArg::Typed(param) => bound_by_ref(&param.pat),
            FnArg::Receiver(_) => None,
        }
    }

    // Input:                              Output:
    //     CancellationToken                   __start.child(shutdown)
    //     Option<CancellationToken>           __start.child(shutdown)
    //     &CancellationToken                  &__start.child(shutdown)
    //     Option<&CancellationToken>          __start.child(shutdown).as_ref()
    //
    /// The form that an owned child token takes, if there is a way to it. The runtime's `child`
    /// accepts the caller's token in any form, and returns an owned value.
    pub(crate) fn child_form(&self) -> Option<ChildForm> {
        let is_borrow = |wrap: &&Wrap| matches!(wrap, Wrap::Ref | Wrap::RefMut);
        let borrows: Vec<bool> = self
            .wraps
            .iter()
            .take_while(is_borrow)
            .map(|wrap| *wrap == Wrap::RefMut)
            .collect();
        let (_, inner) = self.wraps.split_at(borrows.len());
        let is_owned = |wraps: &[Wrap]| !wraps.iter().any(|wrap| is_borrow(&wrap));
        let as_ref = match inner {
            inner if is_owned(inner) => false,
            [Wrap::Option, Wrap::Ref, inner @ ..] if is_owned(inner) => true,
            _ => return None,
        };
        Some(ChildForm { borrows, as_ref })
    }
}

fn is_token(ty: &Type, wraps: &mut Vec<Wrap>) -> bool {
    let (wrap, inner) = match ty {
        Type::Group(group) => return is_token(&group.elem, wraps),
        Type::Paren(paren) => return is_token(&paren.elem, wraps),
        Type::Reference(TypeReference {
            mutability, elem, ..
        }) => {
            let wrap = match mutability {
                Some(_) => Wrap::RefMut,
                None => Wrap::Ref,
            };
            (wrap, &**elem)
        }
        Type::Path(ty) => match unwrap_generic(&ty.path) {
            Some(unwrapped) => unwrapped,
            None => return path_ends_in(&ty.path, "CancellationToken"),
        },
        _ => return false,
    };
    wraps.push(wrap);
    is_token(inner, wraps)
}

fn unwrap_generic(path: &Path) -> Option<(Wrap, &Type)> {
    let last = path.segments.last()?;
    let wrap = match last.ident.to_string().as_str() {
        "Arc" | "Rc" | "Box" => Wrap::Pointer,
        "Option" => Wrap::Option,
        _ => return None,
    };
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first()? {
            GenericArgument::Type(ty) => Some((wrap, ty)),
            _ => None,
        },
        _ => None,
    }
}

fn bound_by_ref(pat: &Pat) -> Option<Token![ref]> {
    match pat {
        Pat::Ident(pat) => pat.by_ref,
        Pat::Paren(pat) => bound_by_ref(&pat.pat),
        _ => None,
    }
}

/// The generated name of a parameter whose pattern is not a variable.
pub(crate) fn generated_name(index: usize, pat: &Pat) -> Ident {
    let start = span_ends(pat).0;
    format_ident!("__arg{index}", span = Span::mixed_site().located_at(start))
}
