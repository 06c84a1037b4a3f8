//! Follows the token, the cell and spawned tasks through a body.
//!
//! One walk follows values through the body, each expression once and from the inside out: a
//! value is what is known about the token, the cell, a future or a task handle (`value`). The
//! checks read what the walk has found. It follows variables and fields by name, looks into macro
//! input as far as that is Rust syntax, and does not know types.

mod calls;
mod exprs;
mod findings;
mod known;
mod macros;
pub(crate) mod names;
pub(crate) mod parts;
pub(crate) mod place;
pub(crate) mod tail;
pub(crate) mod value;
mod walker;

use proc_macro2::Ident;
use syn::{Expr, Stmt};

pub(crate) use self::findings::{OwnWait, Part, PartWait, Task};
use self::known::Entry;
use self::place::{last_word, place};
use self::value::{Cancel, Found, Origin, Value};
use self::walker::Walker;

/// What the walk follows.
#[derive(Clone, Copy, Default)]
pub(crate) struct Subject<'a> {
    /// The token that guards the function, as the body spells it.
    pub(crate) token: Option<&'a Expr>,
    /// The variable that `caller = NAME` binds.
    pub(crate) caller: Option<&'a Ident>,
    /// The cell of `state =`.
    pub(crate) state: Option<&'a Expr>,
}

/// What the walk has found.
pub(crate) struct Flow {
    /// What the body does in its own text.
    pub(crate) found: Found,
    /// The waits for the token in the body's own text.
    pub(crate) waits: Vec<OwnWait>,
    /// The calls that cancel the token, a clone of it or a borrow of it.
    pub(crate) cancels: Vec<Cancel>,
    pub(crate) tasks: Vec<Task>,
    /// The calls of `serve`, `serve_local` and `serve_guard`.
    pub(crate) parts: Vec<Part>,
    /// The awaits of parts in the body's own text.
    pub(crate) part_waits: Vec<PartWait>,
}

impl Flow {
    /// Walks through a body.
    pub(crate) fn of(stmts: &[Stmt], subject: Subject<'_>) -> Self {
        let mut walker = Walker::default();
        let origins = [
            (subject.token.and_then(place), Origin::Own),
            (subject.caller.map(ToString::to_string), Origin::Caller),
        ];
        for (place, origin) in origins {
            if let Some(place) = place {
                let token = Value {
                    token: Some(origin),
                    ..Value::default()
                };
                walker.places.insert(place, Entry::from(token));
            }
        }
        if let Some(place) = subject.state.and_then(place) {
            walker.state_name = Some(last_word(&place).to_owned());
            let cell = Value {
                is_cell: true,
                ..Value::default()
            };
            walker.places.insert(place, Entry::from(cell));
        }
        walker.block(stmts, true);
        for variable in std::mem::take(&mut walker.variables) {
            if !variable.is_used {
                walker.let_go(&variable.handles);
            }
        }
        Self {
            found: walker.frame.found,
            waits: walker.waits,
            cancels: walker.cancels,
            tasks: walker.tasks,
            parts: walker.parts,
            part_waits: walker.part_waits,
        }
    }
}
