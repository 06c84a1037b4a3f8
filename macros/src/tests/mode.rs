//! Start or run: what is taken for a run, and why.

use std::fmt::Write as _;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Expr, FnArg, Item, ItemFn, Pat, parse_quote};

use crate::check::flow::{Flow, Subject};
use crate::check::mode::{own_waits, run_evidence};

/// What is said about a function; `None` if it is taken for a start.
fn question(function: &ItemFn) -> Option<String> {
    let token = token_of(function);
    let flow = Flow::of(
        &function.block.stmts,
        Subject {
            token: token.as_ref(),
            ..Subject::default()
        },
    );
    let name = token.map_or_else(
        || "?".to_owned(),
        |token| token.to_token_stream().to_string(),
    );
    match run_evidence(&function.sig, &flow) {
        Some(evidence) => Some(evidence.phrase(&name)),
        None => own_waits(&flow)
            .first()
            .map(|wait| format!("two owners: {}", wait.at)),
    }
}

/// The argument of `#[token(..)]`, or the one parameter that is a token.
fn token_of(function: &ItemFn) -> Option<Expr> {
    for attr in &function.attrs {
        if attr.path().is_ident("token") {
            return attr.parse_args().ok();
        }
    }
    function.sig.inputs.iter().find_map(|input| match input {
        FnArg::Typed(input) if is_token_type(input.ty.to_token_stream()) => match &*input.pat {
            Pat::Ident(pat) => {
                let ident = &pat.ident;
                Some(parse_quote!(#ident))
            }
            _ => None,
        },
        _ => None,
    })
}

fn is_token_type(ty: TokenStream) -> bool {
    ty.to_string().contains("CancellationToken")
}

fn functions(text: &str) -> Vec<ItemFn> {
    let file = syn::parse_file(text).expect("the fixture is Rust");
    let functions = file.items.into_iter().map(|item| match item {
        Item::Fn(function) => function,
        item => panic!("not a function: {}", item.to_token_stream()),
    });
    functions.collect()
}

#[test]
fn the_shapes_of_the_fixture_are_told_apart() {
    let runs = functions(include_str!("shapes/runs.rs"));
    let starts = functions(include_str!("shapes/starts.rs"));
    let mut table = String::new();
    let mut mistakes = 0;
    for (is_run, shapes) in [(true, &runs), (false, &starts)] {
        for function in shapes {
            let question = question(function);
            let is_mistake = question.is_some() != is_run;
            mistakes += usize::from(is_mistake);
            let (mark, is) = (
                if is_mistake { "!" } else { " " },
                if is_run { "run" } else { "start" },
            );
            let said = question.as_deref().unwrap_or("-");
            writeln!(table, "{mark} {is:5} {:20} {said}", function.sig.ident).expect("a line");
        }
    }
    assert!(runs.len() >= 30 && starts.len() >= 30);
    println!("{table}{mistakes} mistakes");
    assert!(mistakes <= 3, "{mistakes} mistakes:\n{table}");
}

/// What is said about a function with this body.
fn said(sig: &TokenStream, body: &TokenStream) -> Option<String> {
    question(&parse_quote!(#sig { #body }))
}

fn returns_nothing() -> TokenStream {
    quote!(async fn handle(&self, token: CancellationToken) -> Result<()>)
}

#[track_caller]
fn assert_said(bodies: &[TokenStream], phrase: &str) {
    for body in bodies {
        let said = said(&returns_nothing(), body);
        assert_eq!(said.as_deref(), Some(phrase), "{body}");
    }
}

#[track_caller]
fn assert_silent(bodies: &[TokenStream]) {
    for body in bodies {
        let said = said(&returns_nothing(), body);
        assert_eq!(said, None, "{body}");
    }
}

#[test]
fn waits_for_the_token() {
    assert_said(
        &[
            quote!(token.cancelled().await;),
            quote!(token.clone().cancelled_owned().await;),
            quote!(let stop = token.child_token(); stop.cancelled().await;),
            quote!((&token).cancelled().await;),
            quote!(CancellationToken::cancelled(&token).await;),
            quote!(let stop = CancellationToken::clone(&token); stop.cancelled().await;),
            quote!(let stop = Arc::new(token); Arc::clone(&stop).cancelled().await;),
            quote!(let over = token.cancelled(); tokio::pin!(over); over.await;),
            quote!(tokio::pin! { let over = token.cancelled(); } over.await;),
            quote!(let over = pin!(token.cancelled()); over.await;),
            quote!(let mut over = Box::pin(token.cancelled_owned().fuse()); (&mut over).await;),
            quote!(timeout(LIMIT, token.cancelled()).await;),
            quote!(tokio::select! { _ = token.cancelled() => {} _ = work() => {} }),
            quote!(
                tokio::select! { biased; () = token.cancelled() => return Ok(()), x = work(), if ready => x? }
            ),
            quote!(futures::select! { _ = token.cancelled().fuse() => {}, complete => {} }),
            quote!(tokio::select! { _ = async { token.cancelled().await } => {}, else => {} }),
            quote!(tokio::join!(token.cancelled(), work());),
            quote!(serve(app).with_graceful_shutdown(token.cancelled_owned()).await?;),
            quote!(serve(app).with_graceful_shutdown(async move { token.cancelled().await }).await?;),
            quote!(stream.take_until(token.cancelled()).collect::<Vec<_>>().await;),
            quote!(select(pin!(work()), pin!(token.cancelled())).await;),
            quote!(work().race(token.cancelled()).await;),
            quote!(work().with_cancellation_token(&token).await;),
            quote!(token.run_until_cancelled(work()).await;),
            quote!(match token.as_ref() {
                Some(stop) => stop.cancelled().await,
                None => {}
            }),
            quote!(let Some(stop) = token else { return Ok(()) }; stop.cancelled().await;),
            quote!(OptionFuture::from(token.as_ref().map(|stop| stop.cancelled())).await;),
            quote!(let wait = || token.cancelled(); wait().await;),
            quote!(let wait = async || token.cancelled().await; wait().await;),
            quote!(let wait = async { token.cancelled().await; }; wait.await;),
            quote!(let ctx = Context { token: token.clone() }; ctx.token.cancelled().await;),
            quote!(let mut all = FuturesUnordered::new(); all.push(token.cancelled_owned()); all.next().await;),
            quote!(Handle::current().block_on(token.cancelled());),
            quote!(until!(token.cancelled() => work());),
            quote!(
                if let Either::Left(_) = future::select(a, pin!(token.cancelled())).await {
                    info!("over")
                }
            ),
        ],
        "it waits for `token`",
    );
}

#[test]
fn waits_for_the_token_elsewhere() {
    assert_silent(&[
        quote!(tokio::spawn(async move { token.cancelled().await });),
        quote!(tokio::spawn(self.state.serve(work(token.cancelled_owned())));),
        quote!(let over = token.cancelled(); self.keep(over);),
        quote!(self.hooks.push(async move { token.cancelled().await });),
        quote!(#[shielded] token.cancelled().await;),
        quote!(
            #[shielded]
            {
                let over = token.cancelled();
                over.await;
            }
        ),
        quote!(let token = CancellationToken::new(); token.cancelled().await;),
        quote!(other.cancelled().await;),
        quote!(
            fn stop(token: CancellationToken) {
                token.cancelled().await;
            }
        ),
        quote!(info!(over = ?token.cancelled());),
    ]);
}

#[test]
fn asks_the_token_in_a_loop() {
    assert_said(
        &[
            quote!(while !token.is_cancelled() {
                work().await;
            }),
            quote!(loop {
                if token.is_cancelled() {
                    break;
                }
                work().await;
            }),
            quote!(for item in items {
                if CancellationToken::is_cancelled(&token) {
                    break;
                }
            }),
            quote!(let stop = token.clone(); while !(stop.is_cancelled() || full()) {}),
            quote!(let over = || token.is_cancelled(); while !over() { work().await; }),
            quote!(while !unlikely!(token.is_cancelled() => true) {}),
        ],
        "it asks `token.is_cancelled()` in a loop",
    );
    assert_silent(&[
        quote!(if token.is_cancelled() { return Ok(()); } work().await;),
        quote!(while let Some(item) = next().await { use_it(item); } info!(token.is_cancelled());),
        quote!(thread::spawn(move || while !token.is_cancelled() { work(); });),
        quote!(self.on_tick(move || loop { if token.is_cancelled() { break; } });),
    ]);
}

#[test]
fn never_leaves_its_loop() {
    assert_said(
        &[
            quote!(loop {
                let client = accept().await?;
                tokio::spawn(serve(client, token.clone()));
            }),
            quote!(loop {
                if failed() {
                    return Err(Failed);
                }
                step().await;
            }),
            quote!(loop {
                for item in next().await {
                    if item.is_last() {
                        break;
                    }
                }
            }),
            quote!(async { loop { step().await; } }.await;),
        ],
        "it never leaves its loop",
    );
    assert_silent(&[
        quote!(loop {
            if is_up().await {
                break;
            }
        }),
        quote!(loop {
            if is_up().await {
                return Ok(());
            }
        }),
        quote!('up: loop {
            loop {
                if is_up().await {
                    break 'up;
                }
            }
        }),
        quote!(loop {
            tokio::select! { _ = is_up() => break, _ = tick() => {} }
        }),
        quote!(loop {
            unknown_syntax!(is_up() => break);
        }),
        quote!(tokio::spawn(async move { loop { step().await; } });),
    ]);
}

#[test]
fn awaits_a_call_with_the_token_last() {
    let cases = [
        (
            quote!(self.monitor(token).await),
            "it ends in `self.monitor(token).await`",
        ),
        (
            quote!(self.monitor(token).await?; Ok(())),
            "it ends in `self.monitor(token).await`",
        ),
        (
            quote!(Ok(self.monitor(token).await?)),
            "it ends in `self.monitor(token).await`",
        ),
        (
            quote!(let r = self.monitor(token).await; info!("over"); r),
            "it ends in `self.monitor(token).await`",
        ),
        (
            quote!(let over = self.monitor(token); over.await),
            "it ends in `over.await`",
        ),
        (
            quote!(match kind {
                A => self.monitor(token).await,
                B => Ok(()),
            }),
            "it ends in `self.monitor(token).await`",
        ),
        (
            quote!(if let Err(e) = self.monitor(token).await { error!(%e) } Ok(())),
            "it ends in `self.monitor(token).await`",
        ),
        (
            quote!(return self.monitor(token).await;),
            "it ends in `self.monitor(token).await`",
        ),
        (
            quote!(timeout(LIMIT, self.monitor(token)).await?),
            "it ends in `timeout(LIMIT, self.monitor(token)).await`",
        ),
        (
            quote!(let m = Monitor::new(token); m.watch().await),
            "it ends in `m.watch().await`",
        ),
        (
            quote!(loop {
                self.step(&token).await?;
            }),
            "it awaits `self.step(&token)` in a loop",
        ),
    ];
    for (body, phrase) in cases {
        assert_eq!(
            said(&returns_nothing(), &body).as_deref(),
            Some(phrase),
            "{body}"
        );
    }
    assert_silent(&[
        quote!(if bad() { self.report(&token).await; return Err(Bad); } self.announce().await),
        quote!(match open().await {
            Ok(_) => Ok(()),
            Err(e) => {
                self.report(&token).await;
                Err(e)
            }
        }),
        quote!(self.start_monitor(token).await),
        quote!(Monitor::connect(token).await?; Ok(())),
        quote!(for w in workers {
            w.start(token.clone()).await?;
        }),
        quote!(self.attach(token).await?; self.announce().await),
        quote!(self.attach(token).await?; self.is_up = true; Ok(())),
        quote!(spawn_worker(token).await?; Ok(())),
        quote!(self.keep(token); self.announce().await),
        quote!(let data = fetch(&token).await?; store(data).await),
    ]);
}

#[test]
fn a_shielded_step_is_no_evidence() {
    assert_silent(&[
        quote!(#[shielded] std::future::poll_fn(|_| { let _ = token.is_cancelled(); ready() }).await;),
        quote!(#[shielded] self.register(token).await?; Ok(())),
        quote!(let steps = self.steps(); for step in steps { #[shielded] step.apply(&token).await?; }),
        quote!(let task = tokio::spawn(work(token)); #[shielded] task.await?;),
        quote!(#[shielded] self.server.serve().await?; Ok(())),
        quote!(
            #[shielded]
            {
                self.register(token).await?;
                self.flush(&token).await
            }
        ),
    ]);
    assert_said(
        &[
            quote!(#[shielded] self.register(token.clone()).await?; self.monitor(token).await),
            quote!(#[allow(unused_must_use)] self.monitor(token).await;),
            // As `async_trait` writes it.
            quote!(__self.monitor(token).await),
        ],
        "it ends in `self.monitor(token).await`",
    );
    assert_said(
        &[quote!(
            self.drive_until(token, |_| false, move |a, b| a | b).await
        )],
        "it ends in `self.drive_until(token, |_| false, move |a, b| a|b).await`",
    );
}

#[test]
fn a_result_that_is_returned_later() {
    for body in [
        quote!(let r = self.monitor(token).await; self.is_up.store(false, Relaxed); r),
        quote!(let r = self.monitor(token).await; self.close().await; r.map_err(Error::from)),
        quote!(self.monitor(token).await?; let took = began.elapsed(); info!(took); Ok(())),
    ] {
        assert_said(&[body], "it ends in `self.monitor(token).await`");
    }
    assert_silent(&[
        quote!(self.monitor(token).await?; self.close().await),
        quote!(let id = self.attach(token).await?; self.announce(id).await),
    ]);
}

#[test]
fn a_wait_is_told_once() {
    let body = quote!(let over = pin!(token.cancelled()); (&mut over).await; over.await;);
    let function: ItemFn = parse_quote!(async fn f(token: CancellationToken) { #body });
    let token: Expr = parse_quote!(token);
    let subject = Subject {
        token: Some(&token),
        ..Subject::default()
    };
    assert_eq!(
        own_waits(&Flow::of(&function.block.stmts, subject)).len(),
        1
    );
}

#[test]
fn joins_the_tasks_of_the_token() {
    assert_said(
        &[
            quote!(tokio::spawn(work(token)).await?; Ok(())),
            quote!(let task = tokio::spawn(work(token)); task.await?),
            quote!(let (a, b) = (tokio::spawn(a(token.clone())), tokio::spawn(b(token))); tokio::try_join!(a, b)?; Ok(())),
            quote!(for i in items { self.tasks.spawn(work(i, token.clone())); } while self.tasks.join_next().await.is_some() {}),
            quote!(let mut hs = vec![]; hs.push(tokio::spawn(work(token))); for h in hs { h.await?; } Ok(())),
            quote!(let t = thread::spawn(move || work(token)); t.join().unwrap();),
            quote!(let h = spawn_worker(token); h.await?; Ok(())),
        ],
        "it joins its tasks",
    );
    assert_silent(&[
        quote!(let task = tokio::spawn(load(path)); task.await?; self.keep(token); Ok(())),
        quote!(self.tasks.push(tokio::spawn(work(token))); Ok(())),
        quote!(let first = tokio::spawn(check(token)); first.await?; self.announce().await),
    ]);
}

#[test]
fn names_that_say_run() {
    let named = |name: &str| {
        let name = quote::format_ident!("{name}");
        said(
            &quote!(async fn #name(token: CancellationToken)),
            &quote!(work().await;),
        )
    };
    for name in [
        "run",
        "run_server",
        "serve_http",
        "listen",
        "main",
        "accept_loop",
        "gc_worker",
        "poll_task",
        "watch_forever",
        "do_run",
    ] {
        assert_eq!(named(name).as_deref(), Some("its name says so"), "{name}");
    }
    for name in [
        "start",
        "prune",
        "server",
        "start_worker",
        "spawn_accept_loop",
        "running",
    ] {
        assert_eq!(named(name), None, "{name}");
    }
    let calls = |body| said(&returns_nothing(), &body);
    assert_eq!(
        calls(quote!(self.open().await?; self.inner.serve().await)).as_deref(),
        Some("it ends in `self.inner.serve().await`")
    );
    assert_eq!(
        calls(quote!(self.run_once().await?; self.close().await)),
        None
    );
}

#[test]
fn functions_that_return_a_value() {
    let sig = quote!(async fn serve(&self, token: CancellationToken) -> Result<Address>);
    let said = |body| said(&sig, &body);
    assert_eq!(said(quote!(self.monitor(token).await)), None);
    assert_eq!(
        said(quote!(
            tokio::select! { r = connect() => r, _ = token.cancelled() => Err(Gone) }
        ))
        .as_deref(),
        Some("two owners: token . cancelled ()"),
    );
    assert_eq!(
        said(quote!(loop {
            tokio::select! { r = connect() => return r, _ = token.cancelled() => break }
        }))
        .as_deref(),
        Some("it waits for `token`"),
    );
}

#[test]
fn results_that_are_nothing() {
    let outputs = [
        quote!(()),
        quote!(Result<()>),
        quote!(Result<(), Error>),
        quote!(anyhow::Result<()>),
        quote!(CliResult),
        quote!(Result<Infallible, Error>),
    ];
    for output in outputs {
        let said = said(
            &quote!(async fn run(token: CancellationToken) -> #output),
            &quote!(work().await),
        );
        assert!(said.is_some(), "{output}");
    }
    let futures = [
        quote!(Pin<Box<dyn Future<Output = Result<()>> + Send + '_>>),
        quote!(BoxFuture<'static, ()>),
        quote!(impl Future<Output = ()> + Send),
    ];
    for output in futures {
        let said = said(
            &quote!(fn run(token: CancellationToken) -> #output),
            &quote!(work().await),
        );
        assert!(said.is_some(), "{output}");
    }
    // A function that cannot return a refusal gets another error.
    for output in [
        quote!(!),
        quote!(u64),
        quote!(Result<u64>),
        quote!(Option<()>),
        quote!(JoinHandle<()>),
    ] {
        let said = said(
            &quote!(async fn run(token: CancellationToken) -> #output),
            &quote!(work().await),
        );
        assert_eq!(said, None, "{output}");
    }
}

#[test]
fn the_question_names_run_first() {
    let function: ItemFn = parse_quote!(
        async fn relay(token: CancellationToken) {
            token.cancelled().await;
        }
    );
    let token: Expr = parse_quote!(token);
    let flow = Flow::of(
        &function.block.stmts,
        Subject {
            token: Some(&token),
            ..Subject::default()
        },
    );
    let evidence = run_evidence(&function.sig, &flow).expect("evidence");
    let text = crate::check::mode::question(&function.sig, &flow, &evidence, &"token", "", false);
    assert!(text.starts_with("does `relay` return when the service is up, or when it is over? Here it looks like over: it waits for `token`."), "{text}");
    assert!(text.find("(run, ..)") < text.find("`start, ..`"), "{text}");
}

#[test]
fn one_question_for_a_function() {
    let relay = quote!(
        async fn relay(shutdown: CancellationToken) -> Result<(), Error> {
            loop {
                tokio::select! {
                    _ = shutdown.cancelled() => break,
                    _ = tick() => step(&shutdown).await?,
                }
            }
            shutdown.cancelled().await;
            Ok(())
        }
    );
    let asked = super::errors(quote!(), relay.clone());
    assert_eq!(asked.len(), 1, "{asked:#?}");
    assert!(
        asked
            .iter()
            .all(|error| error.starts_with("does `relay` return when"))
    );

    let run = super::errors(quote!(run), relay.clone());
    assert!(run.is_empty(), "{run:#?}");

    let start = super::errors(quote!(start), relay);
    assert_eq!(start.len(), 2, "one for each wait: {start:#?}");
    for error in start {
        assert!(error.contains("`#[cancel_guarded(run, ..)]`"), "{error}");
    }
}

/// The question or the error that a method with a cell gets.
fn told(args: TokenStream, name: &str, body: &TokenStream) -> String {
    let name = quote::format_ident!("{name}");
    let found = super::errors(
        quote!(state = self.state, #args),
        quote!(async fn #name(&self, token: CancellationToken) -> Result<()> { #body }),
    );
    match found.as_slice() {
        [one] => one.clone(),
        found => panic!("{body}: {found:#?}"),
    }
}

/// A wait in an arm before the service is served comes from a start: that is offered first.
#[test]
fn a_wait_before_the_service_is_served_asks_for_start_first() {
    let select = quote!(select! { r = connect() => r?, _ = token.cancelled() => return Ok(()) });
    let in_loop = quote!(loop {
        select! { r = connect() => break r?, _ = token.cancelled() => return Ok(()) }
    });
    let serve = quote!(tokio::spawn(self.state.serve(work())););
    let first = "write `#[cancel_guarded(start, ..)]`, and delete this wait";
    let asked = |name: &str, body: TokenStream| told(quote!(), name, &body);
    assert!(asked("start", quote!(#select; #serve Ok(()))).contains(first));
    for (name, body) in [
        ("run", quote!(#select; #serve Ok(()))),
        ("start", quote!(#in_loop; #serve Ok(()))),
        ("start", quote!(token.cancelled().await; #serve Ok(()))),
        ("start", quote!(#serve #select; Ok(()))),
        ("start", quote!(#select; #serve finish())),
        (
            "start",
            quote!(#select; for p in ports { tokio::spawn(self.state.serve(work(p))); } Ok(())),
        ),
        (
            "start",
            quote!(#select; #serve while !token.is_cancelled() { tick().await; } Ok(())),
        ),
    ] {
        let told = asked(name, body.clone());
        assert!(!told.contains(first), "{name}: {body}: {told}");
    }
}

/// The question does not say when they run: they run at once.
#[test]
fn a_join_of_unserved_tasks() {
    let body = quote!(
        let task = tokio::spawn(work(token));
        task.await?;
        Ok(())
    );
    let told = told(quote!(), "start", &body);
    assert!(told.contains("it joins its tasks"), "{told}");
    assert!(!told.contains("what is served runs only"), "{told}");
}

/// The future that `run_until_cancelled` is given is awaited before the service is up.
#[test]
fn a_wait_that_runs_a_set_up_has_to_store() {
    let body = quote!(
        token.run_until_cancelled(connect()).await.ok_or(Stopped)??;
        tokio::spawn(self.state.serve(work()));
        Ok(())
    );
    let told = told(quote!(), "begin", &body);
    assert!(told.contains("`self.state.store(..)`"), "{told}");
}

#[test]
fn a_run_that_sets_something_up_has_to_store() {
    let hint = ", and `self.state.store(..)` with the state that is RUNNING on the line where the \
                service is up (without it, a run is published when it begins)";
    let sets_up = [
        quote!(bind().await?; token.cancelled().await; Ok(())),
        quote!(
            let listener = bind().await?;
            loop { select! { _ = token.cancelled() => break, c = listener.accept() => serve(c?) } }
            Ok(())
        ),
        quote!(let listener = bind().await?; serve(listener, token).await),
        quote!(join!(bind(), connect()); loop { tick().await; }),
        quote!(bind().await?; while !token.is_cancelled() { tick().await; } Ok(())),
        quote!(bind().await?; work(token.child_token()).await.context("over")),
    ];
    for body in sets_up {
        let question = told(quote!(), "go", &body);
        assert!(
            question.contains(&format!("Write `#[cancel_guarded(run, ..)]`{hint}: ")),
            "{body}: {question}"
        );
    }
    let is_up_at_once = [
        quote!(token.cancelled().await; flush().await; Ok(())),
        quote!(let listener = self.listener(); serve(listener, token).await),
        quote!(loop {
            tick().await;
        }),
        quote!(spawn(self.state.serve(async { tick().await })); token.cancelled().await; Ok(())),
    ];
    for body in is_up_at_once {
        let question = told(quote!(), "go", &body);
        assert!(!question.contains("store"), "{body}: {question}");
    }
    let named = told(quote!(), "run", &quote!(bind().await?; self.accept().await));
    assert!(named.contains(hint), "{named}");
    let written = told(
        quote!(start),
        "go",
        &quote!(bind().await?; token.cancelled().await; Ok(())),
    );
    assert!(
        written.contains(&format!("write `#[cancel_guarded(run, ..)]`{hint}. ")),
        "{written}"
    );
}

#[test]
fn a_start_that_waits_is_told_to_delete_the_wait() {
    let serve = quote!(spawn(self.state.serve(work())); Ok(()));
    let delete = "Or `start, ..`: the guard waits for `token` already, so delete this wait";
    let in_arm = [
        quote!(select! { _ = token.cancelled() => return Err(Error), c = connect() => c? } #serve),
        quote!(bind().await?; select! { _ = token.cancelled() => {} _ = ready() => {} } #serve),
    ];
    for body in in_arm {
        let question = told(quote!(), "go", &body);
        let first = question.find("`#[cancel_guarded(start, ..)]`, and delete this wait");
        let second = question.find("Or `run, ..`");
        assert!(first.is_some() && first < second, "{question}");
    }
    let run_first = [
        (
            "run",
            quote!(select! { _ = token.cancelled() => {} _ = ready() => {} } #serve),
        ),
        (
            "go",
            quote!(
                spawn(self.state.serve(work()));
                select! { _ = token.cancelled() => {} _ = ctrl_c() => {} }
                Ok(())
            ),
        ),
        (
            "go",
            quote!(loop { select! { _ = token.cancelled() => break, _ = tick() => {} } } #serve),
        ),
    ];
    for (name, body) in run_first {
        let question = told(quote!(), name, &body);
        assert!(question.contains("Or `start, ..`"), "{question}");
    }
    let waits = [quote!(match token.run_until_cancelled(connect()).await {
        Some(c) => c?,
        None => return Err(Error),
    })];
    for wait in waits {
        for name in ["start", "go"] {
            let question = told(quote!(), name, &quote!(#wait #serve));
            assert!(question.ends_with(delete), "{question}");
        }
        let alone = quote!(#wait Ok(()));
        assert!(told(quote!(), "start", &alone).ends_with(delete));
        assert!(!told(quote!(), "relay", &alone).contains("the guard waits"));
    }
    let asks = quote!(while connect().await.is_err() {
        if token.is_cancelled() {
            return Err(Error);
        }
    });
    let question = told(quote!(), "start", &quote!(#asks #serve));
    let delete = "Or `start, ..`: the guard asks `token` already, so delete this check";
    assert!(question.ends_with(delete), "{question}");
}

#[test]
fn a_start_that_awaits_the_service_is_told_to_move_it() {
    let body = quote!(
        serve(app)
            .with_graceful_shutdown(token.cancelled_owned())
            .await
    );
    let question = told(quote!(), "start", &body);
    let advice = "so move the call that waits into the task that serves";
    assert!(question.ends_with(advice), "{question}");
}

#[test]
fn only_what_is_there_is_named() {
    let rest = [
        (
            quote!(loop { select! { _ = token.cancelled() => break, _ = tick() => {} } } Ok(())),
            "what its arm does and what follows its loop",
        ),
        (
            quote!(select! { _ = token.cancelled() => {}, _ = tick() => {} } Ok(())),
            "what its arm does",
        ),
        (
            quote!(while let Some(x) = token.run_until_cancelled(next()).await { work(x); } Ok(())),
            "what follows its loop",
        ),
        (
            quote!(token.cancelled().await; Ok(())),
            "what is to run after a cancellation",
        ),
    ];
    for (body, rest) in rest {
        let asked = told(quote!(), "go", &body);
        let end = format!("so remove the wait, and move {rest} into the task that serves");
        assert!(asked.ends_with(&end), "{asked}");
        let refused = told(quote!(start), "go", &body);
        let end = format!(
            "remove this wait; {rest} never runs in a cancelled start, so move it into the task \
             that serves"
        );
        assert!(refused.ends_with(&end), "{refused}");
    }
}
