//! Every refusal, in one place. What passes can be expanded without a further question.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, Expr, ExprAsync, ExprAwait, ExprClosure, ExprConst, ExprMethodCall, ExprReturn,
    FnArg, Item, Lifetime, Macro, ParenthesizedGenericArguments, Signature, Stmt, Type, TypeFnPtr,
    TypeReference,
};

use crate::args::Args;
use crate::body::{is_atomic_store, is_same_place, is_shielded, is_store, take_shielded, waits};
use crate::docs::spelled;
use crate::guarded_fn::{
    Body, Form, GuardedFn, Source, SourceBlock, Unguardable, ends_in, mentions,
};
use crate::params::{TokenParam, variable};
use crate::report::Report;

/// A start function with its guard, fit to be expanded.
pub(crate) struct Guard {
    pub(crate) args: Args,
    pub(crate) function: GuardedFn,
    pub(crate) by: GuardedBy,
    /// The parameters that the arguments mention and the body does not.
    pub(crate) beside: Vec<Beside>,
    pub(crate) body: Findings,
}

/// A parameter that only the attribute uses.
pub(crate) struct Beside {
    pub(crate) ident: Ident,
    pub(crate) is_reference: bool,
}

/// What a start is guarded by.
pub(crate) enum GuardedBy {
    /// A parameter, and whether the body names it.
    Param { param: TokenParam, named: bool },
    /// What `token =` says.
    Given(Expr),
}

impl GuardedBy {
    pub(crate) fn expr(&self) -> Expr {
        match self {
            Self::Param { param, .. } => Expr::Verbatim(param.ident.to_token_stream()),
            Self::Given(expr) => expr.clone(),
        }
    }
}

/// What the checks find in a body that is of use later.
#[derive(Default)]
pub(crate) struct Findings {
    /// The states that it stores.
    pub(crate) stores: Vec<Expr>,
    /// Whether a part of it is under `#[shielded]`.
    pub(crate) shields: bool,
}

pub(crate) fn check(args: Args, source: Source, report: &mut Report) -> Option<Guard> {
    qualifiers(&source.sig, report);
    attributes(&source.attrs, report);
    receiver(&args, &source.sig, report);
    restart(&args, report);
    answer(&args, report);
    never(&source.sig, report);
    let mentions_spawn = spawns(&source);
    let sig = source.sig.clone();
    let function = match GuardedFn::understand(source) {
        Ok(function) => function,
        Err(unguardable) => {
            unguarded(&unguardable, &sig, mentions_spawn, report);
            return None;
        }
    };
    let by = guarded_by(&args, &function, report);
    let beside = beside(&args, by.as_ref(), &function);
    prologue(&function, report);
    foreign_wrapper(&function, report);
    let body = body(&args, by.as_ref(), &function, report);
    Some(Guard {
        args,
        by: by?,
        beside,
        function,
        body,
    })
}

/// The error for what is not a function.
pub(crate) fn not_a_function(item: &TokenStream, error: &syn::Error) -> syn::Error {
    let is_function = item
        .clone()
        .into_iter()
        .take_while(|tree| !matches!(tree, TokenTree::Group(_)))
        .any(|tree| matches!(tree, TokenTree::Ident(word) if word == "fn"));
    if is_function {
        // Mostly rustc has said already what is missing.
        return syn::Error::new(
            error.span(),
            "`#[cancel_guarded]` cannot read this signature yet; complete it",
        );
    }
    syn::Error::new_spanned(
        item,
        "`#[cancel_guarded]` guards a start function; put it on the `async fn` that starts",
    )
}

fn qualifiers(sig: &Signature, report: &mut Report) {
    // rustc refuses `const async` itself.
    if let (Some(constness), None) = (&sig.constness, &sig.asyncness) {
        report.error(
            constness,
            "a `const fn` cannot wait, so there is nothing to guard; \
             write `async fn`, or remove `#[cancel_guarded]`",
        );
    }
    if let Some(abi) = &sig.abi {
        report.error(
            abi,
            "a start with a foreign ABI cannot be guarded; \
             guard a Rust `async fn`, and have the foreign function call it",
        );
    } else if let Some(variadic) = &sig.variadic {
        report.error(
            variadic,
            "a variadic function cannot be guarded; write out the parameters",
        );
    }
}

fn attributes(attrs: &[Attribute], report: &mut Report) {
    for attr in attrs {
        if ends_in(attr.path(), "cancel_guarded") {
            report.error(
                attr,
                "`#[cancel_guarded]` is given twice; keep one of the two",
            );
        }
        if is_shielded(attr) {
            report.error(
                attr,
                "`#[shielded]` goes inside the body, on a statement, a block or a `let`; \
                 for the whole function write `#[cancel_guarded(shielded)]`",
            );
        }
    }
}

/// `self` in an argument needs a receiver.
fn receiver(args: &Args, sig: &Signature, report: &mut Report) {
    if sig.receiver().is_some() {
        return;
    }
    let values = [("token", &args.token), ("state", &args.state)];
    for (name, value) in values {
        let Some(value) = value else { continue };
        if let Some(found) = find_ident(value.to_token_stream(), "self") {
            report.error(
                found,
                format!(
                    "`{}` has no `self`; give it a parameter for this, \
                     and write its name: `{name} = {}`",
                    sig.ident,
                    last_word(value).unwrap_or_else(|| name.to_owned())
                ),
            );
        }
    }
}

/// The `state` of `self.inner.state`.
fn last_word(value: &Expr) -> Option<String> {
    match value {
        Expr::Field(field) => Some(field.member.to_token_stream().to_string()),
        Expr::Reference(reference) => last_word(&reference.expr),
        Expr::MethodCall(call) => last_word(&call.receiver),
        _ => None,
    }
}

fn restart(args: &Args, report: &mut Report) {
    if args.is_unread("state") {
        return;
    }
    if let (Some(restart), None) = (&args.restart, &args.state) {
        report.error(
            restart,
            "without a state there is nothing to restart; add `state = EXPR`, or remove `restart`",
        );
    }
}

/// `on_refused` makes a value, so what is one already is a slip.
fn answer(args: &Args, report: &mut Report) {
    let Some(value) = &args.on_refused else {
        return;
    };
    let of_prelude = |path: &Expr| match path {
        Expr::Path(path) => ["Ok", "Err", "Some", "None"]
            .iter()
            .any(|name| path.path.is_ident(name)),
        _ => false,
    };
    let is_value = match value {
        Expr::Lit(_) | Expr::Tuple(_) | Expr::Struct(_) => true,
        Expr::Call(call) => of_prelude(&call.func),
        Expr::Path(path) => path.path.is_ident("None"),
        _ => false,
    };
    if is_value {
        let message = format!(
            "`on_refused` is a function of the `StartError`; write `on_refused = |_| {}`",
            spelled(value)
        );
        report.error(value, message);
    }
}

fn never(sig: &Signature, report: &mut Report) {
    if let syn::ReturnType::Type(_, ty) = &sig.output {
        if let (Type::Never(_), Some(_)) = (&**ty, &sig.asyncness) {
            report.error(
                ty,
                "a start that never returns cannot say that it was refused; \
                 return a `Result<Infallible, E>`, or `()`",
            );
        }
    }
}

fn unguarded(why: &Unguardable, sig: &Signature, spawns: bool, report: &mut Report) {
    match why {
        Unguardable::Unread => {}
        Unguardable::Bodiless(semi) => report.error(
            semi,
            "this method has no body to guard; \
             put `#[cancel_guarded]` on its implementations, or give it a default body",
        ),
        // Of a `const fn` that is said already.
        Unguardable::Sync if sig.constness.is_some() => {}
        Unguardable::Sync if spawns => report.error(
            sig.fn_token,
            "this function returns before what it spawns has started, so a guard would guard \
             nothing; write `async fn`, set up in its body, and spawn what serves: \
             `tokio::spawn(STATE.serve(..))`",
        ),
        Unguardable::Sync => report.error(
            sig.fn_token,
            "`#[cancel_guarded]` guards a start that waits; write `async fn`, or end the function \
             in `Box::pin(async move { .. })`. If an attribute above took the `async` away, put \
             `#[cancel_guarded]` first",
        ),
    }
}

fn spawns(source: &Source) -> bool {
    struct Spawns(bool);

    impl<'ast> Visit<'ast> for Spawns {
        fn visit_ident(&mut self, ident: &'ast Ident) {
            self.0 |= ident == "spawn" || ident == "spawn_local" || ident == "spawn_blocking";
        }
    }

    let mut spawns = Spawns(false);
    if let SourceBlock::Present {
        body: Body::Read(stmts),
        ..
    } = &source.block
    {
        for stmt in stmts {
            spawns.visit_stmt(stmt);
        }
    }
    spawns.0
}

fn guarded_by(args: &Args, function: &GuardedFn, report: &mut Report) -> Option<GuardedBy> {
    if let Some(given) = &args.token {
        return Some(GuardedBy::Given(given.clone()));
    }
    if args.is_unread("token") {
        return None;
    }
    let mut params = TokenParam::all(&function.sig);
    let param = match params.as_slice() {
        [_] => params.pop()?,
        [] => {
            let given = match function.sig.receiver() {
                Some(_) => "self.shutdown",
                None => "EXPR",
            };
            let message = format!(
                "no parameter is a `CancellationToken`, or a `&`, `Arc` or `Option` of one; \
                 add `shutdown: CancellationToken`, \
                 or name the token that guards this start: `token = {given}` \
                 (a parameter is found by the name of its type, so an alias is named, too)"
            );
            report.error(&function.sig.ident, message);
            return None;
        }
        [first, second, ..] => {
            let message = format!(
                "`{0}` and `{1}` are both tokens; say which one guards this start: `token = {0}`. \
                 The body then sees the caller's own, which `stop` does not cancel; \
                 with one token alone it sees a child",
                first.ident, second.ident
            );
            report.error(&second.ident, message);
            return None;
        }
    };
    let named = function.names(&param.ident);
    if let Some(by_ref) = param.by_ref(&function.sig) {
        report.error(
            by_ref,
            "the body cannot be given a child of a token bound by `ref`; write `&` where it is used",
        );
    } else if param.is_mutably_borrowed() {
        report.error(
            &param.ty,
            "nothing about a token needs a `&mut`; write `&CancellationToken`",
        );
    } else if named && !param.has_child() {
        let message = format!(
            "the body cannot be given a child of this token in the same form; \
             write `token = {}`, and it sees the caller's own",
            param.ident
        );
        report.error(&param.ty, message);
    }
    if named {
        returned_borrow(&param, function, report);
    }
    Some(GuardedBy::Param { param, named })
}

/// A child token lives in the body, so nothing that is returned may borrow from it.
fn returned_borrow(param: &TokenParam, function: &GuardedFn, report: &mut Report) {
    let mut from = Lifetimes::default();
    from.visit_type(&param.ty);
    let mut to = Lifetimes::default();
    let output = function.output();
    to.visit_type(&output);

    let by_receiver = function.sig.inputs.iter().any(|input| {
        let mut lifetimes = Lifetimes::default();
        if let FnArg::Receiver(receiver) = input {
            lifetimes.visit_receiver(receiver);
            lifetimes.elided |= matches!(receiver.kind, syn::ReceiverKind::Reference(_, None, _));
        }
        lifetimes.elided || !lifetimes.named.is_empty()
    });
    let borrows = from.elided && to.elided && !by_receiver
        || from
            .named
            .iter()
            .any(|lifetime| to.named.contains(lifetime));
    if borrows {
        let message = format!(
            "this may borrow from `{0}`, but the body sees a child of `{0}` that ends with it; \
             write `token = {0}`, and it sees the caller's own",
            param.ident
        );
        report.error(&output, message);
    }
}

#[derive(Default)]
struct Lifetimes<'ast> {
    elided: bool,
    named: Vec<&'ast Ident>,
}

impl<'ast> Visit<'ast> for Lifetimes<'ast> {
    // What a function type leaves out is between its own parameters and its own result.
    fn visit_type_fn_ptr(&mut self, _: &'ast TypeFnPtr) {}
    fn visit_parenthesized_generic_arguments(&mut self, _: &'ast ParenthesizedGenericArguments) {}

    fn visit_type_reference(&mut self, reference: &'ast TypeReference) {
        self.elided |= reference.lifetime.is_none();
        visit::visit_type_reference(self, reference);
    }

    fn visit_lifetime(&mut self, lifetime: &'ast Lifetime) {
        if lifetime.ident == "_" {
            self.elided = true;
        } else if lifetime.ident != "static" {
            self.named.push(&lifetime.ident);
        }
    }
}

/// The user's body without the cells of its stores: these become the attempt.
fn without_stores(args: &Args, function: &GuardedFn) -> TokenStream {
    struct TakeCells<'a>(&'a Expr);

    impl VisitMut for TakeCells<'_> {
        fn visit_expr_method_call_mut(&mut self, call: &mut ExprMethodCall) {
            visit_mut::visit_expr_method_call_mut(self, call);
            if is_store(call, self.0) {
                *call.receiver = Expr::Verbatim(TokenStream::new());
            }
        }
    }

    let mut stmts = function.user_stmts().to_vec();
    let Some(state) = &args.state else {
        return function.body.to_token_stream();
    };
    if stmts.is_empty() {
        return function.body.to_token_stream();
    }
    for stmt in &mut stmts {
        TakeCells(state).visit_stmt_mut(stmt);
    }
    quote!(#(#stmts)*)
}

fn beside(args: &Args, by: Option<&GuardedBy>, function: &GuardedFn) -> Vec<Beside> {
    let token = match by {
        Some(GuardedBy::Param { param, .. }) => Some(param),
        _ => None,
    };
    let guards = |ident: &Ident| token.is_some_and(|token| token.ident == *ident);
    let body = without_stores(args, function);
    let is_beside =
        |ident: &Ident| (guards(ident) || args.mention(ident)) && !mentions(body.clone(), ident);
    let inputs = function.sig.inputs.iter().enumerate();
    let params = inputs.filter_map(|(index, input)| match input {
        FnArg::Typed(param) => variable(&param.pat)
            .or(token
                .filter(|token| token.index == index)
                .map(|token| &token.ident))
            .map(|ident| (ident, &param.ty)),
        FnArg::Receiver(_) => None,
    });
    params
        .filter(|(ident, _)| is_beside(ident))
        .map(|(ident, ty)| Beside {
            ident: ident.clone(),
            is_reference: matches!(&**ty, Type::Reference(_)),
        })
        .collect()
}

/// What runs at the call runs outside the guard, and must not return past it.
fn prologue(function: &GuardedFn, report: &mut Report) {
    struct Returns<'a>(&'a mut Report);

    impl<'ast> Visit<'ast> for Returns<'_> {
        fn visit_expr_return(&mut self, expr: &'ast ExprReturn) {
            self.0.error(
                expr,
                "this returns past the guard; \
                 move it, and what it depends on, into the async block at the end",
            );
        }
        fn visit_expr_async(&mut self, _: &'ast ExprAsync) {}
        fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {}
        fn visit_item(&mut self, _: &'ast Item) {}
    }

    if let Form::Tail { prologue, .. } = &function.form {
        let mut returns = Returns(report);
        for stmt in prologue {
            returns.visit_stmt(stmt);
        }
    }
}

/// Another attribute above this one has wrapped the body. Its own variables and absolute paths
/// around an async block give it away.
fn foreign_wrapper(function: &GuardedFn, report: &mut Report) {
    struct Wrapper {
        wraps: bool,
        generated: bool,
    }

    impl<'ast> Visit<'ast> for Wrapper {
        fn visit_expr_async(&mut self, expr: &'ast ExprAsync) {
            self.wraps |= expr.capture.is_some();
        }
        fn visit_macro(&mut self, mac: &'ast Macro) {
            self.visit_path(&mac.path);
            let is_async = |tree| matches!(tree, TokenTree::Ident(word) if word == "async");
            self.wraps |= mac.tokens.clone().into_iter().any(is_async);
        }
        fn visit_path(&mut self, path: &'ast syn::Path) {
            self.generated |= path.leading_colon.is_some();
            visit::visit_path(self, path);
        }
        fn visit_ident(&mut self, ident: &'ast Ident) {
            let name = ident.to_string();
            self.generated |= name.starts_with("__") && name != "__self";
        }
    }

    let [.., Stmt::Expr(last, None)] = function.user_stmts() else {
        return;
    };
    let lets_only = function.user_stmts().iter().rev().skip(1);
    if !matches!(last, Expr::Await(_)) || lets_only.clone().any(|s| !matches!(s, Stmt::Local(_))) {
        return;
    }
    let mut wrapper = Wrapper {
        wraps: false,
        generated: false,
    };
    for stmt in function.user_stmts() {
        wrapper.visit_stmt(stmt);
    }
    if wrapper.wraps && wrapper.generated {
        report.error(
            &function.sig.ident,
            "an attribute above has wrapped the body of this function; \
             put `#[cancel_guarded]` first",
        );
    }
}

fn body(
    args: &Args,
    by: Option<&GuardedBy>,
    function: &GuardedFn,
    report: &mut Report,
) -> Findings {
    let mut walk = Walk {
        report,
        state: args.state.as_ref(),
        token: by.map(GuardedBy::expr),
        whole: args.shielded.is_some(),
        shielded: false,
        nested: false,
        owners: Vec::new(),
        findings: Findings::default(),
    };
    for stmt in function.user_stmts() {
        walk.visit_stmt(stmt);
    }
    let Walk {
        owners, findings, ..
    } = walk;
    if findings.stores.is_empty() && args.shielded.is_none() {
        let otherwise = match &args.state {
            Some(state) => format!(
                "if the service runs from here, write `{}.store(..)` before it, \
                 with the state that is RUNNING",
                spelled(state)
            ),
            None => "to handle it in the body alone, add `shielded` to `#[cancel_guarded]`".into(),
        };
        for owner in owners {
            let message = format!(
                "the guard ends this start when it is cancelled, and this would too; \
                 remove this, or, {otherwise}"
            );
            report.error(owner, message);
        }
    }
    if let (Some(shielded), Some(state), []) =
        (&args.shielded, &args.state, findings.stores.as_slice())
    {
        let state = spelled(state);
        report.error(
            shielded,
            format!(
                "a `shielded` start publishes itself, and this one does not; write \
                 `{state}.store(..)` with the state that is RUNNING, or remove `shielded`"
            ),
        );
    }
    findings
}

/// Walks through the user's body.
struct Walk<'a> {
    report: &'a mut Report,
    state: Option<&'a Expr>,
    token: Option<Expr>,
    /// Whether all of the function is shielded.
    whole: bool,
    /// Whether what is at hand is under a `#[shielded]`.
    shielded: bool,
    /// Whether what is at hand runs elsewhere, or later: in a closure, an async block.
    nested: bool,
    /// Where the body waits for its own cancellation.
    owners: Vec<TokenStream>,
    findings: Findings,
}

impl Walk<'_> {
    fn nested(&mut self, walk: impl FnOnce(&mut Self)) {
        let outside = std::mem::replace(&mut self.nested, true);
        walk(self);
        self.nested = outside;
    }

    fn shield(&mut self, attr: &Attribute, stmt: &Stmt) {
        if attr.meta.require_path_only().is_err() {
            self.report.error(
                attr,
                "`#[shielded]` takes no arguments; write `#[shielded]`",
            );
        } else if self.nested {
            self.report.error(
                attr,
                "`#[shielded]` reaches only the awaits of the body itself, \
                 not those of a nested closure or async block; remove it",
            );
        } else if self.whole {
            self.report.error(
                attr,
                "the whole function is `shielded`; remove either this or that",
            );
        } else if self.shielded {
            self.report.error(
                attr,
                "the statement around this is `#[shielded]` already; remove one of the two",
            );
        } else if !may_wait(stmt) {
            self.report.error(
                attr,
                "there is no `.await` here to shield; \
                 put `#[shielded]` on the statement that waits, or remove it",
            );
        } else {
            self.findings.shields = true;
        }
        let outside = std::mem::replace(&mut self.shielded, true);
        self.visit_stmt(stmt);
        self.shielded = outside;
    }

    fn store(&mut self, call: &ExprMethodCall, stored: &Expr) {
        if self.nested {
            self.report.error(
                call,
                "only the body itself can store a state, and this is in a nested closure or async \
                 block, which may outlive the start; move it into the body",
            );
        } else if let Some(role) = reserved(stored) {
            self.report.error(
                stored,
                format!(
                    "`{role}` cannot be stored, it is the guard's to set; \
                     return an error to fail, and leave the rest to the guard"
                ),
            );
        }
        self.findings.stores.push(stored.clone());
    }

    // `self.state.store(Phase::Up, Ordering::SeqCst)`
    fn store_as_of_an_atomic(&mut self, call: &ExprMethodCall, stored: &Expr) {
        let state = spelled(&call.receiver);
        let message = format!(
            "a `cancel_guarded::StateCell` takes a state and no `Ordering`; \
             remove this line if it says that the service is up (the guard says that), \
             or store a step of your own: `{state}.store(..)`"
        );
        self.report.error(call, message);
        self.findings.stores.push(stored.clone());
    }

    /// Whether a call waits for the cancellation of the token that guards the start.
    fn waits_for_token(&self, call: &ExprMethodCall) -> bool {
        is_wait(&call.method)
            && !self.nested
            && !self.shielded
            && self
                .token
                .as_ref()
                .is_some_and(|token| is_same_place(uncloned(&call.receiver), token))
    }
}

fn is_wait(method: &Ident) -> bool {
    method == "cancelled"
        || method == "cancelled_owned"
        || method == "run_until_cancelled"
        || method == "run_until_cancelled_owned"
}

fn uncloned(expr: &Expr) -> &Expr {
    match expr {
        Expr::MethodCall(call) if call.method == "clone" => uncloned(&call.receiver),
        Expr::Paren(paren) => uncloned(&paren.expr),
        expr => expr,
    }
}

impl<'ast> Visit<'ast> for Walk<'_> {
    fn visit_stmt(&mut self, stmt: &'ast Stmt) {
        let mut bare = stmt.clone();
        match take_shielded(&mut bare) {
            Some(attr) => self.shield(&attr, &bare),
            None => visit::visit_stmt(self, stmt),
        }
    }

    fn visit_attribute(&mut self, attr: &'ast Attribute) {
        if is_shielded(attr) {
            self.report.error(
                attr,
                "`#[shielded]` means nothing here; \
                 put it in front of the statement, the block or the `let` that waits",
            );
        }
    }

    fn visit_expr_await(&mut self, await_: &'ast ExprAwait) {
        if let Expr::MethodCall(call) = &*await_.base {
            if self.waits_for_token(call) {
                self.owners.push(await_.to_token_stream());
            }
        }
        visit::visit_expr_await(self, await_);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        if self.nested || self.shielded || !waits(mac) {
            return;
        }
        if let Some(token) = &self.token {
            let token: Vec<TokenTree> = token.to_token_stream().into_iter().collect();
            find_waits(mac.tokens.clone(), &token, &mut self.owners);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if let (Some(state), Some(stored)) = (self.state, call.args.first()) {
            if is_store(call, state) {
                self.store(call, stored);
            } else if is_atomic_store(call, state) {
                self.store_as_of_an_atomic(call, stored);
            }
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_async(&mut self, expr: &'ast ExprAsync) {
        self.nested(|walk| visit::visit_expr_async(walk, expr));
    }

    fn visit_expr_closure(&mut self, expr: &'ast ExprClosure) {
        self.nested(|walk| visit::visit_expr_closure(walk, expr));
    }

    fn visit_expr_const(&mut self, expr: &'ast ExprConst) {
        self.nested(|walk| visit::visit_expr_const(walk, expr));
    }

    fn visit_item(&mut self, item: &'ast Item) {
        self.nested(|walk| visit::visit_item(walk, item));
    }
}

/// The role of a state, if its path tells that only the guard sets it.
fn reserved(stored: &Expr) -> Option<&'static str> {
    let Expr::Path(path) = stored else {
        return None;
    };
    let mut segments = path.path.segments.iter().rev();
    let last = segments.next()?.ident.to_string();
    let of = segments.next().map(|segment| segment.ident.to_string());
    match (of.as_deref(), last.as_str()) {
        (Some(_), "INITIAL") | (Some("Lifecycle"), "Created") => Some("INITIAL"),
        (Some(_), "STARTING") | (Some("Lifecycle"), "Starting") => Some("STARTING"),
        (Some(_), "FAILED") | (Some("Lifecycle"), "Failed") => Some("FAILED"),
        _ => None,
    }
}

/// Whether a statement waits, or may do so inside a macro.
fn may_wait(stmt: &Stmt) -> bool {
    struct Waits(bool);

    impl<'ast> Visit<'ast> for Waits {
        fn visit_expr_await(&mut self, _: &'ast ExprAwait) {
            self.0 = true;
        }
        fn visit_macro(&mut self, mac: &'ast Macro) {
            self.0 |= waits(mac) || find_ident(mac.tokens.clone(), "await").is_some();
        }
        fn visit_expr_async(&mut self, _: &'ast ExprAsync) {}
        fn visit_expr_closure(&mut self, _: &'ast ExprClosure) {}
        fn visit_item(&mut self, _: &'ast Item) {}
    }

    let mut found = Waits(false);
    found.visit_stmt(stmt);
    found.0
}

fn find_ident(tokens: TokenStream, name: &str) -> Option<Ident> {
    tokens.into_iter().find_map(|tree| match tree {
        TokenTree::Ident(ident) if ident == name => Some(ident),
        TokenTree::Group(group) => find_ident(group.stream(), name),
        _ => None,
    })
}

/// Finds `TOKEN.cancelled` and its like in the input of a macro, outside of async blocks.
fn find_waits(tokens: TokenStream, token: &[TokenTree], found: &mut Vec<TokenStream>) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    let mut is_async = false;
    let mut rest = trees.as_slice();
    while let [tree, after @ ..] = rest {
        if let Some((_, calls)) = split_words(rest, token) {
            let length = rest.len() - calls.len() + wait_among(calls);
            if length > token.len() {
                found.push(rest.iter().take(length).cloned().collect());
            }
        }
        match tree {
            TokenTree::Group(group) if !is_async => find_waits(group.stream(), token, found),
            _ => {}
        }
        is_async = match tree {
            TokenTree::Ident(word) if word == "move" => is_async,
            TokenTree::Ident(word) => word == "async",
            _ => false,
        };
        rest = after;
    }
}

/// How many tokens it takes, behind a token, to wait for it: `.cancelled()`, or the same of a
/// `.clone()`. 0 if they do not.
fn wait_among(calls: &[TokenTree]) -> usize {
    let [
        TokenTree::Punct(dot),
        TokenTree::Ident(method),
        TokenTree::Group(_),
        after @ ..,
    ] = calls
    else {
        return 0;
    };
    let length = calls.len() - after.len();
    match wait_among(after) {
        _ if dot.as_char() != '.' => 0,
        _ if is_wait(method) => length,
        waits if waits > 0 && method == "clone" => length + waits,
        _ => 0,
    }
}

/// Splits off the tokens that spell these words.
fn split_words<'a>(
    trees: &'a [TokenTree],
    words: &[TokenTree],
) -> Option<(&'a [TokenTree], &'a [TokenTree])> {
    let (head, tail) = trees.split_at_checked(words.len())?;
    let mut pairs = head.iter().zip(words);
    let same = pairs.all(|(tree, word)| is_same_word(tree, word));
    same.then_some((head, tail))
}

/// `__self` is how `async_trait` spells `self`.
fn is_same_word(tree: &TokenTree, word: &TokenTree) -> bool {
    let (tree, word) = (tree.to_string(), word.to_string());
    tree == word || tree == "__self" && word == "self"
}
