//! Start or run, and what depends on it.

use proc_macro2::TokenStream;
use syn::{Expr, Stmt};

use super::body::{self, Findings};
use super::flow::tail::ends_in_ok;
use super::flow::value::CancelKind;
use super::flow::{Flow, Subject};
use super::mode::{Kind, own_waits, question, run_evidence, store_hint, wait_in_start};
use super::roles::role;
use super::tasks::{late_part, unserved_tasks};
use crate::args::Args;
use crate::errors::Errors;
use crate::function::GuardedFn;
use crate::model::{Mode, Publication, TokenSource};
use crate::syntax::to_source;

/// Decides whether the function starts the service or runs it, and reports what does not fit.
pub(crate) fn mode(
    args: &Args,
    token: Option<&TokenSource>,
    function: &GuardedFn,
    findings: &Findings,
    errors: &mut Errors,
) -> Mode {
    let token_expr = token.map(TokenSource::expr);
    let flow = Flow::of(
        function.stmts(),
        Subject {
            token: token_expr.as_ref(),
            caller: args.caller.as_ref(),
            state: args.state.as_ref(),
        },
    );
    let evidence = run_evidence(&function.sig, &flow);
    let facts = &findings.facts;
    let waits = evidence.is_some() || !own_waits(&flow).is_empty();
    let publishes_itself = facts.has_publisher || waits && !facts.stores.is_empty();
    let mode = if args.run.is_some() || args.start.is_none() && publishes_itself {
        Mode::Run(publication(args, function, findings))
    } else {
        Mode::Start
    };
    let may_ask = args.start.is_none() && mode == Mode::Start && !args.is_unparsed("run");
    let asked = evidence.filter(|_| may_ask);
    let is_asked = asked.is_some();
    match asked {
        Some(evidence) => {
            let last = TokenStream::new();
            let at = match evidence.kind {
                Kind::Name => &last,
                _ => &evidence.at,
            };
            let store = store_hint(function.stmts(), args.state.as_ref(), at);
            let message = question(
                &function.sig,
                &flow,
                &evidence,
                &spelled(token),
                &store,
                ends_in_ok(function.stmts()),
            );
            errors.at(&evidence.at, message);
        }
        None => check_waits(args, mode, token, function, &flow, errors),
    }
    check_parts(args, mode, findings, errors);
    check_end_waits(args, mode, is_asked, findings, errors);
    if mode == Mode::Start && !is_asked {
        check_part_waits(args, function, &flow, errors);
        check_caller_guards(args, &flow, errors);
    }
    check_cancels(args, mode, token, &flow, errors);
    check_tasks(args, mode, &flow, errors);
    mode
}

fn publication(args: &Args, function: &GuardedFn, findings: &Findings) -> Publication {
    let facts = &findings.facts;
    if args.state.is_none() {
        Publication::None
    } else if facts.has_publisher || facts.stores.iter().any(is_running) {
        Publication::Body
    } else if !facts.stores.iter().any(body::may_be_running) {
        Publication::Entry
    } else if facts.stores.iter().all(is_constant) && !has_items(function) {
        Publication::ByStores
    } else {
        Publication::Body
    }
}

fn is_running(stored: &Expr) -> bool {
    role(stored) == Some("RUNNING")
}

/// Whether a state is a path like `Phase::Up`, which means the same outside of the body.
fn is_constant(stored: &Expr) -> bool {
    matches!(stored, Expr::Path(path) if path.path.segments.len() > 1)
}

/// Whether the body has items. One of them may be what a path begins with.
fn has_items(function: &GuardedFn) -> bool {
    let mut stmts = function.stmts().iter();
    stmts.any(|stmt| matches!(stmt, Stmt::Item(_)))
}

/// The token as the body spells it.
fn spelled(token: Option<&TokenSource>) -> String {
    token.map_or_else(|| "the token".to_owned(), |token| to_source(&token.expr()))
}

/// A start does not wait for its own cancellation: its guard does.
fn check_waits(
    args: &Args,
    mode: Mode,
    token: Option<&TokenSource>,
    function: &GuardedFn,
    flow: &Flow,
    errors: &mut Errors,
) {
    if mode != Mode::Start || args.shielded.is_some() {
        return;
    }
    for wait in own_waits(flow) {
        let store = store_hint(function.stmts(), args.state.as_ref(), &wait.at);
        errors.at(&wait.at, wait_in_start(wait, &spelled(token), &store));
    }
}

/// The body sees a child of the token, and to cancel that stops less than the text says.
fn check_cancels(
    args: &Args,
    mode: Mode,
    token: Option<&TokenSource>,
    flow: &Flow,
    errors: &mut Errors,
) {
    let Some(param) = token.and_then(TokenSource::child_param) else {
        return;
    };
    let token = &param.ident;
    for cancel in &flow.cancels {
        let reason = match (cancel.kind, mode) {
            (CancelKind::CallerGuard, _) => continue,
            (CancelKind::Call, _) => format!(
                "this cancels only what this function starts: `{token}` is a child of the caller's \
                 token"
            ),
            (CancelKind::Guard, Mode::Start) => {
                "this guard cancels the start itself when the body \
                 returns; remove it, since the attempt cancels its token when it fails or ends"
                    .to_owned()
            }
            (CancelKind::Guard, Mode::Run(_)) => {
                "this guard cancels what this function starts when \
                 the body returns; remove it, since the attempt cancels its token then"
                    .to_owned()
            }
        };
        let wanted = match cancel.kind {
            CancelKind::Call => "that",
            CancelKind::Guard | CancelKind::CallerGuard => "the caller's token",
        };
        let caller = match &args.caller {
            Some(caller) => format!("write `{caller}.cancel()`"),
            None => "add `caller = everything` to `#[cancel_guarded]`, and write \
                     `everything.cancel()`"
                .to_owned(),
        };
        let own = match &args.state {
            Some(state) => format!(
                "To stop this service, write `{}.request_stop()`",
                to_source(state)
            ),
            None => format!(
                "To stop what this function starts, cancel a `{token}.child_token()` that you made"
            ),
        };
        errors.at(
            &cancel.at,
            format!("{reason}; to cancel {wanted}, {caller}. {own}"),
        );
    }
}

/// A start returns when the service is up, and the service needs its token then.
fn check_caller_guards(args: &Args, flow: &Flow, errors: &mut Errors) {
    let Some(caller) = &args.caller else { return };
    for cancel in &flow.cancels {
        if cancel.kind == CancelKind::CallerGuard {
            let message = format!(
                "this cancels the caller's token whenever the body returns, also when the service \
                 is up; remove it, and write `{caller}.cancel()` where more than this service has \
                 to end"
            );
            errors.at(&cancel.at, message);
        }
    }
}

/// Nothing that the body spawns outlives the service unseen.
fn check_tasks(args: &Args, mode: Mode, flow: &Flow, errors: &mut Errors) {
    let Some(state) = &args.state else { return };
    for task in unserved_tasks(flow) {
        errors.at(&task.at(), task.message(&to_source(state), mode));
    }
    for part in &flow.parts {
        if let Some(message) = late_part(part, state) {
            errors.at(&part.at, message);
        }
    }
}

/// Reports what a body may contain in the other mode only.
fn check_parts(args: &Args, mode: Mode, findings: &Findings, errors: &mut Errors) {
    if args.state.is_some() && mode == Mode::Start {
        for stored in &findings.running_stores {
            errors.at(
                stored,
                "a start is published by its guard, when the body has succeeded; remove this \
                 store, or write `run` if this function returns when the service is over",
            );
        }
        for publisher in &findings.publishers {
            errors.at(
                publisher,
                "a start is published by its guard, when the body has succeeded; remove the \
                 publisher, or write `run` instead of `start` if this function returns when the \
                 service is over",
            );
        }
    }
}

/// Nothing that is served runs before the start has returned.
fn check_part_waits(args: &Args, function: &GuardedFn, flow: &Flow, errors: &mut Errors) {
    let Some(state) = &args.state else { return };
    for wait in &flow.part_waits {
        let cell = to_source(state);
        let message = if wait.is_join {
            let store = store_hint(function.stmts(), Some(state), &wait.at);
            format!(
                "this waits for ever: what is served runs only once this start has returned; \
                 remove this wait, since `{cell}.stop()` waits for the task. If the function \
                 returns when the service is over, write `#[cancel_guarded(run, ..)]`{store}"
            )
        } else {
            format!(
                "this waits for itself: what is served runs only once the start has returned; \
                 write `tokio::spawn({cell}.serve(..))`, and do not wait for it"
            )
        };
        errors.at(&wait.at, message);
    }
}

/// Reports the awaits of the end of the attempt that the body itself is part of.
fn check_end_waits(
    args: &Args,
    mode: Mode,
    is_asked: bool,
    findings: &Findings,
    errors: &mut Errors,
) {
    let Some(state) = &args.state else { return };
    for wait in &findings.end_waits {
        let is_published = match mode {
            Mode::Start => false,
            Mode::Run(Publication::Body | Publication::ByStores) => wait.may_be_published,
            Mode::Run(_) => true,
        };
        let message = if is_published || wait.is_shielded {
            format!(
                "this waits for itself: the service has not ended while this function runs; \
                 write `{}.request_stop()`, and return",
                to_source(state)
            )
        } else if mode != Mode::Start || is_asked {
            // Before its publication, a run may tell itself to end.
            continue;
        } else if wait.stops {
            "this tells this very start to end, so the next line never runs; return an error, \
             which fails the start"
                .to_owned()
        } else {
            "this waits for this very start to end, so the next line never runs; return an error, \
             which fails the start; to wait for an earlier attempt, do so before this function is \
             called"
                .to_owned()
        };
        errors.at(&wait.tokens, message);
    }
}
