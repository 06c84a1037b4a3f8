//! Every refusal, in one place. What passes can be expanded without a further question.

pub(crate) mod flow;
pub(crate) mod mode;
pub(crate) mod tasks;

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, Expr, ExprAwait, ExprMethodCall, FnArg, Macro, ReceiverKind, Signature, Stmt, Type,
};

use crate::args::Args;
use crate::body::{
    is_atomic_store, is_same_place, is_shielded, is_store, put_shielded, take_shielded, waits,
};
use crate::docs::spelled;
use crate::guarded_fn::{
    Body, Form, GuardedFn, Source, SourceBlock, Unguardable, ends_in, mentions,
};
use crate::params::{TokenParam, variable};
use crate::report::Report;
use crate::walk::{self, Node, Walk};

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

pub(crate) fn check(args: Args, mut source: Source, report: &mut Report) -> Option<Guard> {
    qualifiers(&source.sig, report);
    attributes(&source.attrs, report);
    receiver(&args, &source.sig, report);
    restart(&args, report);
    answer(&args, report);
    never(&source.sig, report);
    let spawns = source.sig.asyncness.is_none() && spawns(&mut source);
    let sig = source.sig.clone();
    let mut function = match GuardedFn::understand(source) {
        Ok(function) => function,
        Err(unguardable) => {
            unguarded(&unguardable, &sig, spawns, report);
            return None;
        }
    };
    let by = guarded_by(&args, &function, report);
    prologue(&mut function, report);
    foreign_wrapper(&mut function, report);
    let body = body(&args, by.as_ref(), &mut function, report);
    let beside = beside(&args, by.as_ref(), &function, &body);
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
                &found,
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
            &sig.fn_token,
            "this function returns before what it spawns has started, so a guard would guard \
             nothing; write `async fn`, set up in its body, and spawn what serves: \
             `tokio::spawn(STATE.serve(..))`",
        ),
        Unguardable::Sync => report.error(
            &sig.fn_token,
            "`#[cancel_guarded]` guards a start that waits; write `async fn`, or end the function \
             in `Box::pin(async move { .. })`. If an attribute above took the `async` away, put \
             `#[cancel_guarded]` first",
        ),
    }
}

fn spawns(source: &mut Source) -> bool {
    struct Spawns(bool);

    impl Walk for Spawns {
        fn at(&mut self, node: Node<'_>) {
            match node {
                Node::Ident(ident) => {
                    self.0 |=
                        ident == "spawn" || ident == "spawn_local" || ident == "spawn_blocking";
                }
                node => node.inside(self),
            }
        }
    }

    let mut spawns = Spawns(false);
    if let SourceBlock::Present {
        body: Body::Read(stmts),
        ..
    } = &mut source.block
    {
        walk::stmts(stmts, &mut spawns);
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
            &by_ref,
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
    from.at(Node::Type(&mut param.ty.clone()));
    let mut to = Lifetimes::default();
    let mut output = function.output();
    to.at(Node::Type(&mut output));

    let by_receiver = function.sig.inputs.iter().any(|input| {
        let mut lifetimes = Lifetimes::default();
        if let FnArg::Receiver(receiver) = input {
            lifetimes.at(Node::Receiver(&mut receiver.clone()));
            lifetimes.elided |= matches!(receiver.kind, ReceiverKind::Reference(_, None, _));
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
struct Lifetimes {
    elided: bool,
    named: Vec<Ident>,
}

impl Walk for Lifetimes {
    fn at(&mut self, node: Node<'_>) {
        match node {
            // What a function type leaves out is between its own parameters and its own result.
            Node::Type(Type::FnPtr(_)) | Node::FnArguments(_) => {}
            Node::Lifetime(lifetime) if lifetime.ident == "_" => self.elided = true,
            Node::Lifetime(lifetime) if lifetime.ident == "static" => {}
            Node::Lifetime(lifetime) => self.named.push(lifetime.ident.clone()),
            node => {
                if let Node::Type(Type::Reference(reference)) = &node {
                    self.elided |= reference.lifetime.is_none();
                }
                node.inside(self);
            }
        }
    }
}

/// Whether the user's body mentions a variable elsewhere than in the cells of its stores: these
/// become the attempt.
fn names_beside_stores(variable: &Ident, args: &Args, function: &GuardedFn) -> bool {
    struct TakeCells<'a>(&'a Expr);

    impl Walk for TakeCells<'_> {
        fn at(&mut self, node: Node<'_>) {
            let Node::Expr(expr) = node else {
                return node.inside(self);
            };
            Node::Expr(expr).inside(self);
            match expr {
                Expr::MethodCall(call) if is_store(call, self.0) => {
                    *call.receiver = Expr::Verbatim(TokenStream::new());
                }
                _ => {}
            }
        }
    }

    let (Some(state), Body::Read(stmts)) = (&args.state, &function.body) else {
        return function.names(variable);
    };
    let mut stmts = stmts.clone();
    walk::stmts(&mut stmts, &mut TakeCells(state));
    mentions(quote!(#(#stmts)*), variable)
}

fn beside(
    args: &Args,
    by: Option<&GuardedBy>,
    function: &GuardedFn,
    body: &Findings,
) -> Vec<Beside> {
    let (token, named) = match by {
        Some(GuardedBy::Param { param, named }) => (Some(param), *named),
        _ => (None, false),
    };
    let is_beside = |ident: &Ident| {
        let named = match token {
            Some(token) if token.ident == *ident => named,
            _ if args.mention(ident) => function.names(ident),
            _ => return false,
        };
        let stores = !body.stores.is_empty();
        !named || stores && !names_beside_stores(ident, args, function)
    };
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
fn prologue(function: &mut GuardedFn, report: &mut Report) {
    struct Returns<'a>(&'a mut Report);

    impl Walk for Returns<'_> {
        fn at(&mut self, node: Node<'_>) {
            match node {
                Node::Expr(Expr::Return(expr)) => self.0.error(
                    expr,
                    "this returns past the guard; \
                     move it, and what it depends on, into the async block at the end",
                ),
                Node::Expr(Expr::Async(_) | Expr::Closure(_)) | Node::Item(_) => {}
                node => node.inside(self),
            }
        }
    }

    if let Form::Tail { prologue, .. } = &mut function.form {
        walk::stmts(prologue, &mut Returns(report));
    }
}

/// Another attribute above this one has wrapped the body. Its own variables and absolute paths
/// around an async block give it away.
fn foreign_wrapper(function: &mut GuardedFn, report: &mut Report) {
    struct Wrapper {
        wraps: bool,
        generated: bool,
    }

    impl Walk for Wrapper {
        fn at(&mut self, node: Node<'_>) {
            match &node {
                Node::Expr(Expr::Async(expr)) => {
                    self.wraps |= expr.capture.is_some();
                    return;
                }
                Node::Macro(mac) => {
                    let is_async = |tree| matches!(tree, TokenTree::Ident(word) if word == "async");
                    self.wraps |= mac.tokens.clone().into_iter().any(is_async);
                }
                Node::Path(path) => self.generated |= path.leading_colon.is_some(),
                Node::Ident(ident) => {
                    let name = ident.to_string();
                    self.generated |= name.starts_with("__") && name != "__self";
                }
                _ => {}
            }
            node.inside(self);
        }
    }

    let stmts = function.user_stmts();
    let [lets @ .., Stmt::Expr(Expr::Await(_), None)] = &*stmts else {
        return;
    };
    if !lets.iter().all(|stmt| matches!(stmt, Stmt::Local(_))) {
        return;
    }
    let mut wrapper = Wrapper {
        wraps: false,
        generated: false,
    };
    walk::stmts(stmts, &mut wrapper);
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
    function: &mut GuardedFn,
    report: &mut Report,
) -> Findings {
    let mut walk = BodyWalk {
        report,
        state: args.state.as_ref(),
        token: by.map(GuardedBy::expr),
        whole: args.shielded.is_some(),
        shielded: false,
        nested: false,
        owners: Vec::new(),
        findings: Findings::default(),
    };
    walk::stmts(function.user_stmts(), &mut walk);
    let BodyWalk {
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
            report.error(&owner, message);
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
struct BodyWalk<'a> {
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

impl BodyWalk<'_> {
    fn nested(&mut self, node: Node<'_>) {
        let outside = std::mem::replace(&mut self.nested, true);
        node.inside(self);
        self.nested = outside;
    }

    fn shield(&mut self, attr: &Attribute, stmt: &mut Stmt) {
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
        self.at(Node::Stmt(stmt));
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

    fn stmt(&mut self, stmt: &mut Stmt) {
        match take_shielded(stmt) {
            Some(attr) => {
                self.shield(&attr, stmt);
                put_shielded(stmt, attr);
            }
            None => Node::Stmt(stmt).inside(self),
        }
    }

    fn attribute(&mut self, attr: &Attribute) {
        if is_shielded(attr) {
            self.report.error(
                attr,
                "`#[shielded]` means nothing here; \
                 put it in front of the statement, the block or the `let` that waits",
            );
        }
    }

    fn await_(&mut self, await_: &ExprAwait) {
        if let Expr::MethodCall(call) = &*await_.base {
            if self.waits_for_token(call) {
                self.owners.push(await_.to_token_stream());
            }
        }
    }

    fn mac(&mut self, mac: &Macro) {
        if self.nested || self.shielded || !waits(mac) {
            return;
        }
        if let Some(token) = &self.token {
            let token: Vec<TokenTree> = token.to_token_stream().into_iter().collect();
            find_waits(mac.tokens.clone(), &token, &mut self.owners);
        }
    }

    fn method_call(&mut self, call: &ExprMethodCall) {
        if let (Some(state), Some(stored)) = (self.state, call.args.first()) {
            if is_store(call, state) {
                self.store(call, stored);
            } else if is_atomic_store(call, state) {
                self.store_as_of_an_atomic(call, stored);
            }
        }
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

impl Walk for BodyWalk<'_> {
    fn at(&mut self, node: Node<'_>) {
        match node {
            Node::Stmt(stmt) => self.stmt(stmt),
            Node::Attributes(attrs) => attrs.iter().for_each(|attr| self.attribute(attr)),
            Node::Macro(mac) => self.mac(mac),
            Node::Expr(Expr::Async(_) | Expr::Closure(_)) | Node::Const(_) | Node::Item(_) => {
                self.nested(node);
            }
            node => {
                match &node {
                    Node::Expr(Expr::Await(await_)) => self.await_(await_),
                    Node::Expr(Expr::MethodCall(call)) => self.method_call(call),
                    _ => {}
                }
                node.inside(self);
            }
        }
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
fn may_wait(stmt: &mut Stmt) -> bool {
    struct Waits(bool);

    impl Walk for Waits {
        fn at(&mut self, node: Node<'_>) {
            match node {
                Node::Expr(Expr::Await(_)) => self.0 = true,
                Node::Macro(mac) => {
                    self.0 |= waits(mac) || find_ident(mac.tokens.clone(), "await").is_some();
                }
                Node::Expr(Expr::Async(_) | Expr::Closure(_)) | Node::Item(_) => {}
                node => node.inside(self),
            }
        }
    }

    let mut found = Waits(false);
    found.at(Node::Stmt(stmt));
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
