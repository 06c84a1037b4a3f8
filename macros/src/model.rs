//! The decisions about a function. The expansion reads them and decides nothing.

use proc_macro2::Ident;
use syn::{Expr, ExprPath, Pat, Token};

use crate::args::Args;
use crate::function::GuardedFn;
use crate::token_param::TokenParam;

/// A function with its guard, free of errors.
pub(crate) struct Guard {
    pub(crate) args: Args,
    pub(crate) function: GuardedFn,
    pub(crate) mode: Mode,
    pub(crate) token: TokenSource,
    pub(crate) params: ParamFacts,
    pub(crate) body: BodyFacts,
}

/// When the function returns.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    /// When the service is up.
    Start,
    /// When the service is over.
    Run(Publication),
}

/// The publisher of a run.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Publication {
    /// The body, by a store or by a publisher.
    Body,
    /// The body, if one of the states that it stores is `RUNNING`, or else the guard, before the body
    /// begins. The runtime knows the roles of these states.
    ByStores,
    /// The guard, before the body begins.
    Entry,
    /// None: there is no cell.
    None,
}

/// Where the token comes from.
pub(crate) enum TokenSource {
    Param {
        param: TokenParam,
        /// Whether the body mentions it, and so sees a child of it.
        body_uses_it: bool,
    },
    /// The value of `token =`, if that is not a parameter.
    Expr(Expr),
}

impl TokenSource {
    pub(crate) fn expr(&self) -> Expr {
        match self {
            Self::Param { param, .. } => Expr::Path(ExprPath {
                attrs: Vec::new(),
                qself: None,
                path: param.ident.clone().into(),
            }),
            Self::Expr(expr) => expr.clone(),
        }
    }

    /// The parameter in whose place the body sees a child.
    pub(crate) fn child_param(&self) -> Option<&TokenParam> {
        match self {
            Self::Param {
                param,
                body_uses_it: true,
            } => Some(param),
            _ => None,
        }
    }
}

/// The decisions about the parameters.
#[derive(Default)]
pub(crate) struct ParamFacts {
    /// The parameters that the arguments mention and the body does not. They are moved into the
    /// body all the same, so that they are dropped with it.
    pub(crate) attr_only: Vec<AttrOnlyParam>,
    /// What the closure of `on_refused` takes with it.
    pub(crate) on_refused: Captures,
    /// The patterns that are matched in the body only and have a variable that an argument mentions:
    /// the position of the parameter, and the pattern with these variables alone.
    pub(crate) borrowed_patterns: Vec<(usize, Pat)>,
    /// Whether the body owns `self`, and not the closure of `on_refused`.
    pub(crate) body_owns_self: bool,
    /// Whether the body assigns to a part of `mut self`.
    pub(crate) assigns_to_self: bool,
}

/// A parameter that only the attribute uses.
pub(crate) struct AttrOnlyParam {
    pub(crate) ident: Ident,
    pub(crate) is_reference: bool,
}

/// The parameters that the closure of `on_refused` owns. The body can then own the others.
#[derive(Default)]
pub(crate) struct Captures {
    /// Whether it has to be a `move` closure.
    pub(crate) is_move: bool,
    /// The parameters that the body does not use.
    pub(crate) moved: Vec<Ident>,
    /// The parameters that the body uses as well.
    pub(crate) cloned: Vec<Ident>,
    /// Variables of a borrowed pattern.
    pub(crate) cloned_from_reference: Vec<Ident>,
    /// The receiver's `self`, if that is cloned.
    pub(crate) cloned_self: Option<Token![self]>,
}

/// The findings of the checks in the body.
#[derive(Default)]
pub(crate) struct BodyFacts {
    /// The states that it stores.
    pub(crate) stores: Vec<Expr>,
    /// Whether it asks the cell for a publisher.
    pub(crate) has_publisher: bool,
    /// Whether a part of it is under `#[shielded]`.
    pub(crate) has_shields: bool,
}
