//! Unserved tasks, and cancels of the own token.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::quote;
use syn::parse::Parser as _;
use syn::{Block, Expr, parse_quote};

use super::{errors, guarded, one_line};
use crate::check::flow::{Flow, Subject};
use crate::check::tasks::{late_part, unserved_tasks};
use crate::model::Mode;

fn flow(body: TokenStream) -> Flow {
    let stmts = Block::parse_within.parse2(body).expect("statements");
    let (token, state): (Expr, Expr) = (parse_quote!(shutdown), parse_quote!(self.state));
    Flow::of(
        &stmts,
        Subject {
            token: Some(&token),
            state: Some(&state),
            ..Subject::default()
        },
    )
}

/// The spawns of a body that are not served, each on a line.
fn unserved(body: TokenStream) -> Vec<String> {
    let unserved = unserved_tasks(&flow(body));
    unserved.iter().map(|task| one_line(task.at())).collect()
}

#[track_caller]
fn assert_served(bodies: &[TokenStream]) {
    for body in bodies {
        let found = unserved(body.clone());
        assert!(found.is_empty(), "{body}: {found:?}");
    }
}

#[track_caller]
fn assert_unserved(bodies: &[TokenStream]) {
    for body in bodies {
        let found = unserved(body.clone());
        assert_eq!(found.len(), 1, "{body}: {found:?}");
    }
}

#[test]
fn a_task_that_is_let_go_of() {
    assert_unserved(&[
        quote!(tokio::spawn(accept_loop(listener, shutdown));),
        quote!(let _ = tokio::spawn(work());),
        quote!(_ = tokio::spawn(work());),
        quote!(let _task = tokio::spawn(work());),
        quote!(let task = tokio::spawn(work()); Ok(())),
        quote!(drop(tokio::spawn(work()));),
        quote!(let task = tokio::spawn(work()); drop(task);),
        quote!(let task = tokio::spawn(work()); let _ = task;),
        quote!(if self.is_primary() {
            tokio::spawn(work());
        }),
        quote!(match role {
            Role::Primary => {
                tokio::spawn(work());
            }
            Role::Other => {}
        }),
        quote!(for port in ports {
            spawn_local(accept_on(port));
        }),
        quote!(task::spawn_blocking(move || read(file));),
        quote!(std::thread::spawn(move || read(file));),
        quote!(spawn_monitored_task!(work());),
        quote!(self.runtime.spawn(work());),
        quote!(rt.spawn(work());),
        quote!(Handle::current().spawn(work());),
        quote!(tokio_handle.spawn_blocking(|| work());),
        quote!(let task = tokio::spawn(work()); { let task = 1; use_it(task); }),
        quote!(let (task, name) = (tokio::spawn(work()), "worker"); info!(name);),
        // The `serve` of another crate makes no part of this service.
        quote!(tokio::spawn(axum::serve(listener, app).into_future());),
        quote!(tokio::spawn(Server::builder().serve(addr));),
        quote!(tokio::spawn(accept_loop(listener, self.state.clone()));),
        quote!(tokio::spawn(async move { shutdown.cancelled().await; entry.remove().await; });),
        quote!(items.iter().for_each(|item| { tokio::spawn(work(item)); });),
    ]);
}

#[test]
fn a_task_that_is_part_of_the_service() {
    assert_served(&[
        quote!(tokio::spawn(self.state.serve(work()));),
        quote!(tokio::spawn(self.state.clone().serve(work()));),
        quote!(spawn_local(self.state.serve_local(work()));),
        quote!(tokio::spawn(StateCell::serve(&self.state, work()));),
        quote!(let cell = self.state.clone(); tokio::spawn(cell.track(work()));),
        quote!(let this = self.clone(); tokio::spawn(this.state.serve(work()));),
        quote!(let work = self.state.serve(work()); tokio::spawn(work);),
        quote!(let work = Box::pin(self.state.serve(work())); tokio::spawn(work);),
        quote!(
            let guard = self.state.serve_guard();
            std::thread::spawn(move || { let _guard = guard; read(file); });
        ),
        quote!(
            let guard = self.state.serve_guard();
            std::thread::spawn(move || { read(file); drop(guard); });
        ),
        quote!(
            let guard = self.state.serve_guard();
            tokio::spawn(async move { work().await; std::mem::drop(guard); });
        ),
        quote!(
            let served = self.state.serve(work());
            tokio::spawn(async move { other().await; drop(served) });
        ),
        quote!(tokio::spawn(async move { self.state.serve(work()).await });),
        quote!(tokio::spawn(self.state.serve(work()).instrument(info_span!("work")));),
    ]);
    assert_unserved(&[
        // The guard stays in the body.
        quote!(let guard = self.state.serve_guard(); let token = guard.token();
               tokio::spawn(work(token)); keep(guard);),
        quote!(let guard = self.state.serve_guard(); drop(guard); tokio::spawn(work());),
        quote!(let task = tokio::spawn(work()); tokio::spawn(self.state.serve(async { drop(task); }));),
        // What the task spawns is served, the task is not.
        quote!(tokio::spawn(async move {
            while let Ok(client) = listener.accept().await {
                tokio::spawn(self.state.track(converse(client)));
            }
        });),
    ]);
}

/// The messages about parts that are made when a spawned task runs.
fn late_parts(body: TokenStream) -> Vec<String> {
    let flow = flow(body);
    let parts = flow.parts.iter();
    parts
        .filter_map(|part| late_part(part, &syn::parse_quote!(self.state)))
        .collect()
}

#[test]
fn a_guard_that_is_not_moved_into_its_task() {
    for (body, message) in [
        (
            quote!(std::thread::spawn(move || { let _ = guard; read(file); });),
            "`_ = guard` moves nothing into the closure; write `let _guard = guard;`",
        ),
        (
            quote!(spawn_blocking(move || { _ = guard; read(file); });),
            "`_ = guard` moves nothing into the closure; write `let _guard = guard;`",
        ),
        (
            quote!(tokio::spawn(async move { let _ = guard; work().await; });),
            "`_ = guard` moves nothing into the task; write `let _guard = guard;`",
        ),
    ] {
        let body = quote!(let guard = self.state.serve_guard(); #body);
        assert_eq!(told(quote!(state = self.state), body), [message]);
    }
    for body in [
        quote!(std::thread::spawn(move || { let _ = guard; read(file); drop(guard); });),
        quote!(std::thread::spawn(move || { let _ = guard.token(); read(guard); });),
    ] {
        let body = quote!(let guard = self.state.serve_guard(); #body);
        let found = told(quote!(state = self.state), body.clone());
        assert!(found.is_empty(), "{body}: {found:#?}");
    }
}

#[test]
fn a_part_that_is_made_when_a_spawned_task_runs() {
    let late = [
        quote!(tokio::spawn(async move { ready().await; self.state.serve(work()).await });),
        quote!(let state = self.state.clone(); tokio::spawn(async move { state.serve(work()).await });),
        quote!(tokio::spawn(async move { StateCell::serve(&self.state, work()).await });),
        quote!(tokio::spawn(async move { self.state.serve(work()).await }.instrument(span));),
        quote!(tokio::spawn(Box::pin(async move { self.state.serve(work()).await }));),
        quote!(tokio::spawn(timeout(limit, async move { self.state.serve(work()).await }));),
        quote!(let task = async move { self.state.serve(work()).await }; tokio::spawn(task);),
        quote!(tokio::spawn(async move { let _guard = self.state.serve_guard(); work().await; });),
        quote!(spawn_local(async move { self.state.serve_local(work()).await });),
        quote!(spawn_blocking(move || { let guard = self.state.serve_guard(); work(guard) });),
        quote!(std::thread::spawn(move || { let guard = self.state.serve_guard(); work(guard) });),
        quote!(thread::Builder::new().spawn(move || { let guard = self.state.serve_guard(); });),
        quote!(std::thread::spawn(move || runtime.block_on(self.state.serve(work())));),
        quote!(self.runtime.spawn(async move { self.state.serve(work()).await });),
        quote!(self.tasks.spawn(async move { self.state.serve(work()).await });),
        quote!(let task = tokio::spawn(async move { self.state.serve(work()).await }); task.await;),
        // One error for each task, at the first part.
        quote!(tokio::spawn(async move {
            let _guard = self.state.serve_guard();
            tokio::spawn(self.state.serve(work()));
        });),
        quote!(tokio::spawn(async move {
            tokio::spawn(async move { self.state.serve(work()).await });
        });),
        quote!(items.iter().for_each(|item| {
            tokio::spawn(async move { self.state.serve(work(item)).await });
        });),
        quote!(tokio::spawn(self.state.track(work()));
            tokio::spawn(async move { self.state.serve(work()).await });),
    ];
    for body in late {
        let found = late_parts(body.clone());
        assert_eq!(found.len(), 1, "{body}: {found:#?}");
    }
}

#[test]
fn a_part_that_is_made_in_time() {
    let in_time = [
        quote!(tokio::spawn(self.state.serve(async move {
            let _guard = self.state.serve_guard();
            tokio::spawn(async move { self.state.serve(work()).await });
        }));),
        quote!(tokio::spawn(self.state.serve(async move {
            tokio::spawn(self.state.track(converse(client)));
        }));),
        quote!(
            let accept = async move { tokio::spawn(async move { self.state.serve(work()).await }); };
            tokio::spawn(self.state.serve(accept));
        ),
        quote!(tokio::spawn(self.state.track(async move {
            spawn_blocking(move || { let guard = self.state.serve_guard(); work(guard) });
        }));),
        quote!(tokio::spawn(async move { self.state.track(converse(client)).await });),
        quote!(#[detached] tokio::spawn(async move { self.state.serve(work()).await });),
        quote!(
            let later = async move { self.state.serve(work()).await };
            #[detached]
            tokio::spawn(later);
        ),
        quote!(
            let guard = self.state.serve_guard();
            std::thread::spawn(move || { let _guard = guard; read(file); });
        ),
        quote!(
            let guards: Vec<_> = ports.iter().map(|_| self.state.serve_guard()).collect();
            for guard in guards {
                spawn_blocking(move || read(guard));
            }
        ),
        quote!(
            let parts: Vec<_> = items.iter().map(|item| self.state.serve(work(item))).collect();
            for part in parts {
                tokio::spawn(part);
            }
        ),
        quote!(items.iter().for_each(|item| { tokio::spawn(self.state.serve(work(item))); });),
        quote!(
            if let Some(part) = port.map(|port| self.state.serve(work(port))) {
                tokio::spawn(part);
            }
        ),
        quote!(let serve = async { tokio::spawn(self.state.serve(work())) }; serve.await;),
        quote!(std::thread::scope(|scope| {
            scope.spawn(|| { let _guard = self.state.serve_guard(); work(); });
        });),
        quote!(tokio::spawn(async move { axum::serve(listener, app).await });),
        quote!(tokio::spawn(async move { server.serve(address).await });),
    ];
    for body in in_time {
        let found = late_parts(body.clone());
        assert!(found.is_empty(), "{body}: {found:#?}");
    }
}

#[test]
fn a_task_whose_handle_is_kept() {
    assert_served(&[
        quote!(tokio::spawn(work()).await?;),
        quote!(let task = tokio::spawn(work()); task.await?;),
        quote!(self.task = Some(tokio::spawn(work()));),
        quote!(
            let task = tokio::spawn(connection);
            client.query().await?;
            tokio::spawn(self.state.serve(async move { task.await }));
        ),
        quote!(handles.push(tokio::spawn(work()));),
        quote!(let task = tokio::spawn(work()); Ok(Running { task })),
        quote!(let task = tokio::spawn(work()); select! { _ = task => {}, _ = ready() => {} }),
        quote!(tokio::spawn(work())),
        quote!(return tokio::spawn(work());),
        quote!(let handles: Vec<_> = items.iter().map(|item| tokio::spawn(work(item))).collect(); join_all(handles).await;),
        quote!(let abort = tokio::spawn(work()).abort_handle();),
        quote!(let task = match role { A => tokio::spawn(a()), B => tokio::spawn(b()) }; task.await;),
        quote!(let task = tokio::spawn(work()); unknown_syntax!(keep => task);),
    ]);
}

#[test]
fn what_is_no_task_of_the_body() {
    assert_served(&[
        quote!(tasks.spawn(work()); tracker.spawn(work());),
        quote!(Command::new("ls").spawn()?;),
        quote!(thread::Builder::new().spawn(move || work())?;),
        quote!(self.spawn_worker(shutdown);),
        quote!(spawn_acceptor(self.state.clone(), listener, shutdown);),
        quote!(Self::spawn_acceptor(&self, listener);),
        quote!(tokio::spawn(async move { shutdown.cancelled().await; deregister(); });),
        quote!(tokio::spawn(shutdown.cancelled_owned());),
        quote!(#[detached] tokio::spawn(work());),
        quote!(#[detached] let _ = tokio::spawn(work());),
        quote!(
            #[detached]
            for item in items {
                tokio::spawn(work(item));
            }
        ),
        quote!(
            fn helper() {
                tokio::spawn(work());
            }
        ),
    ]);
}

#[test]
fn a_task_in_a_served_task() {
    let body = quote!(tokio::spawn(self.state.serve(async move {
        while let Ok(client) = listener.accept().await {
            tokio::spawn(converse(client));
        }
    })););
    assert_eq!(unserved(body), ["tokio::spawn(converse(client))"]);
    let body = quote!(tokio::spawn(async move {
        tokio::spawn(inner());
        outer().await;
    }););
    assert_eq!(unserved(body).len(), 1, "one error for both");
}

#[test]
fn what_is_offered_for_an_unserved_task() {
    let message = |body: TokenStream| {
        let tasks = unserved_tasks(&flow(body));
        tasks[0].message("self.state", Mode::Start)
    };
    let alone = message(quote!(tokio::spawn(work());));
    let first = alone.find("`self.state.serve(..)`").expect("`serve`");
    let second = alone.find("`self.state.track(..)`").expect("`track`");
    assert!(first < second, "{alone}");

    let in_loop = message(quote!(loop {
        tokio::spawn(converse(accept().await));
    }));
    let first = in_loop.find("`self.state.track(..)`").expect("`track`");
    let second = in_loop.find("`self.state.serve(..)`").expect("`serve`");
    assert!(first < second, "{in_loop}");

    let thread = message(quote!(std::thread::spawn(move || read(file));));
    assert!(thread.contains("self.state.serve_guard()"), "{thread}");
    for message in [&alone, &in_loop] {
        assert!(
            message.contains("once this start has returned"),
            "{message}"
        );
    }
    assert!(!thread.contains("once this start has returned"), "{thread}");
    for message in [alone, in_loop, thread] {
        assert!(message.contains("`#[detached]`"), "{message}");
    }
}

fn cancels(body: TokenStream) -> Vec<String> {
    let flow = flow(body);
    let cancels = flow.cancels.iter();
    cancels.map(|cancel| one_line(&cancel.at)).collect()
}

#[test]
fn a_token_that_the_body_cancels() {
    let bodies = [
        quote!(shutdown.cancel();),
        quote!(shutdown.clone().cancel();),
        quote!(let stop = &shutdown; stop.cancel();),
        quote!(let stop = shutdown.clone(); tokio::spawn(async move { work().await; stop.cancel(); });),
        quote!(on_exit(move || shutdown.cancel());),
        quote!(let _guard = shutdown.drop_guard();),
        quote!(let _guard = shutdown.clone().drop_guard();),
        quote!(let _guard = shutdown.drop_guard_ref();),
        quote!(CancellationToken::cancel(&shutdown);),
        quote!(if let Some(stop) = &shutdown {
            stop.cancel();
        }),
        quote!(tokio::select! { _ = signal() => shutdown.cancel(), _ = work() => {} }),
        quote!(unknown_syntax!(on_error => shutdown.cancel());),
        quote!(for stop in [shutdown.clone()] {
            stop.cancel();
        }),
    ];
    for body in bodies {
        let found = cancels(body.clone());
        assert_eq!(found.len(), 1, "{body}: {found:?}");
    }
}

#[test]
fn a_guard_that_cancels_at_the_end_of_the_body() {
    let start = |body: TokenStream| told(quote!(start, caller = everything), body);
    let own = "this guard cancels the start itself when the body returns";
    let callers = "this cancels the caller's token whenever the body returns";
    let other = "this cancels only what this function starts";
    for (body, message) in [
        (
            quote!(let _guard = shutdown.clone().drop_guard(); on(&everything);),
            own,
        ),
        (
            quote!(let guard = shutdown.drop_guard_ref(); on(&everything);),
            own,
        ),
        (
            quote!(let stop = shutdown.clone(); let _guard = stop.drop_guard(); on(everything);),
            own,
        ),
        (
            quote!(let _guard = everything.clone().drop_guard(); ready(shutdown);),
            callers,
        ),
        (quote!(let _guard = everything.drop_guard();), callers),
        (
            quote!(let _guard: DropGuard = everything.clone().drop_guard(); Ok(())),
            callers,
        ),
        (
            quote!(let _ = shutdown.clone().drop_guard(); on(&everything);),
            other,
        ),
        (
            quote!(let guard = shutdown.clone().drop_guard(); on(&everything); keep(guard);),
            other,
        ),
        (
            quote!(on(&everything); spawn(async move { let _guard = shutdown.drop_guard(); work().await });),
            other,
        ),
    ] {
        let found = start(body.clone());
        assert!(
            matches!(&*found, [one] if one.starts_with(message)),
            "{body}: {found:#?}"
        );
    }
    for body in [
        quote!(let guard = everything.clone().drop_guard(); work(shutdown).await; guard.disarm();),
        quote!(let guard = everything.clone().drop_guard(); Ok(Handle { guard })),
        quote!(spawn(async move { let _guard = everything.drop_guard(); work(shutdown).await });),
        quote!(self.guard = Some(everything.clone().drop_guard());),
        quote!(let _guard = everything.child_token().drop_guard(); ready(shutdown);),
        quote!(let _guard = shutdown.child_token().drop_guard(); on(&everything);),
    ] {
        let found = start(body.clone());
        assert!(found.is_empty(), "{body}: {found:#?}");
    }
    let body = quote!(let _guard = everything.clone().drop_guard(); shutdown.cancelled().await;);
    assert!(told(quote!(run, caller = everything), body).is_empty());
}

#[test]
fn a_token_that_the_body_may_cancel() {
    let bodies = [
        quote!(shutdown.child_token().cancel();),
        quote!(let child = shutdown.child_token(); child.clone().cancel();),
        quote!(let _guard = shutdown.child_token().drop_guard();),
        quote!(let shutdown = shutdown.child_token(); shutdown.cancel();),
        quote!(let shutdown = CancellationToken::new(); shutdown.cancel();),
        quote!(self.other.cancel();),
        quote!(unknown_syntax!(on_error => shutdown.child_token().cancel());),
        quote!(self.timer.cancel(shutdown);),
        quote!(with(|shutdown: &Timer| shutdown.cancel());),
    ];
    for body in bodies {
        let found = cancels(body.clone());
        assert!(found.is_empty(), "{body}: {found:?}");
    }
}

#[test]
fn a_detached_task_loses_its_mark() {
    let state = || quote!(start, state = state);
    for body in [
        quote!(#[detached] tokio::spawn(work()); ready().await;),
        quote!(let task = async move { #[detached] tokio::spawn(work()); }; task.await;),
        quote!(hooks.add(move || { #[detached] tokio::spawn(work()); });),
        quote!(
            tokio::select! { job = next() => { #[detached] tokio::spawn(job); } _ = ready() => {} }
        ),
    ] {
        let found = errors(
            state(),
            quote!(async fn start(state: &StateCell, shutdown: CancellationToken) { #body }),
        );
        assert!(found.is_empty(), "{body}: {found:?}");
        let text = guarded(
            state(),
            quote!(async fn start(state: &StateCell, shutdown: CancellationToken) { #body }),
        );
        assert!(!text.contains("detached"), "{text}");
    }
}

#[test]
fn one_error_for_each_unserved_task() {
    let found = errors(
        quote!(state = state),
        quote!(
            async fn start(state: &StateCell, shutdown: CancellationToken) {
                tokio::spawn(state.serve(accept()));
                tokio::spawn(first());
                let _ = tokio::spawn(second(shutdown));
            }
        ),
    );
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found
            .iter()
            .all(|error| error.starts_with("nothing waits for this task"))
    );
    let without_state = errors(
        quote!(),
        quote!(
            async fn start(shutdown: CancellationToken) {
                tokio::spawn(work(shutdown));
            }
        ),
    );
    assert!(without_state.is_empty(), "{without_state:#?}");
}

#[test]
fn a_start_that_waits_for_a_task_that_it_serves() {
    let joins = [
        quote!(let task = tokio::spawn(self.state.serve(work(shutdown))); task.await?; Ok(())),
        quote!(tokio::spawn(self.state.serve(work(shutdown))).await??; Ok(())),
        quote!(let mut task = tokio::spawn(self.state.track(work())); (&mut task).await?; ready()),
        quote!(let part = self.state.serve(work()).instrument(span); tokio::spawn(part).await?;),
        quote!(let task = self.runtime.spawn(self.state.serve(work())); task.instrument(span).await?;),
        quote!(let tasks = vec![tokio::spawn(self.state.serve(work()))]; join_all(tasks).await;),
        quote!(
            let mut tasks = Vec::new();
            for item in items {
                tasks.push(tokio::spawn(self.state.serve(work(item))));
            }
            for task in tasks {
                task.await?;
            }
        ),
        quote!(
            let tasks: Vec<_> =
                items.iter().map(|item| tokio::spawn(self.state.serve(work(item)))).collect();
            try_join_all(tasks).await?;
        ),
        quote!(let mut tasks = JoinSet::new(); tasks.spawn(self.state.serve(work()));
            while let Some(done) = tasks.join_next().await { done?; }),
        quote!(let tracker = TaskTracker::new(); tracker.spawn(self.state.serve(work()));
            tracker.close(); tracker.wait().await;),
        quote!(let task = tokio::spawn(self.state.serve(work())); tokio::try_join!(task, other())?;),
        quote!(let first = tokio::spawn(self.state.serve(work()));
            let second = tokio::spawn(self.state.serve(work())); tokio::join!(first, second);),
    ];
    for body in joins {
        let found = told(quote!(start, state = self.state), body.clone());
        assert!(
            matches!(&*found, [one] if one.starts_with("this waits for ever")),
            "{body}: {found:#?}"
        );
        let found = told(quote!(run, state = self.state), body.clone());
        assert!(found.is_empty(), "{body}: {found:#?}");
    }
    let body = quote!(tokio::spawn(self.state.serve(work(shutdown))).await??; Ok(()));
    let found = told(quote!(state = self.state), body);
    assert!(
        matches!(&*found, [one] if one.contains("returned, so remove this wait")),
        "{found:#?}"
    );
    for body in [
        quote!(self.state.serve(work()).await;),
        quote!(let part = self.state.serve(work()); part.await;),
        quote!(let parts = join(self.state.serve(one()), self.state.serve(two())); parts.await;),
    ] {
        let found = told(quote!(state = self.state), body.clone());
        assert!(
            matches!(&*found, [one] if one.starts_with("this waits for itself")),
            "{body}: {found:#?}"
        );
    }
    let others = [
        quote!(let task = tokio::spawn(prepare()); task.await?;
            tokio::spawn(self.state.serve(work()));),
        quote!(let task = tokio::spawn(self.state.serve(work()));
            tokio::spawn(self.state.serve(async move { task.await })); Ok(())),
        quote!(let task = tokio::spawn(self.state.serve(work()));
            tokio::select! { _ = task => {} _ = ready() => {} }),
        quote!(let task = tokio::spawn(self.state.serve(work())); timeout(limit, task).await;),
        quote!(let task = tokio::spawn(self.state.serve(work())); task.abort(); task.await;),
        quote!(let task = tokio::spawn(self.state.serve(work())); self.abort = task.abort_handle();
            self.ready.notified().await;),
        quote!(let mut tasks = JoinSet::new(); tasks.spawn(self.state.serve(work()));
            tasks.spawn(prepare()); tasks.join_next().await;),
        quote!(let guard = self.state.serve_guard();
            let task = spawn_blocking(move || { let _guard = guard; read() }); task.await?;),
        quote!(self.task.lock().await.replace(tokio::spawn(self.state.serve(work())));),
        quote!(span.in_scope(|| tokio::spawn(self.state.serve(work())));),
        quote!(let task = span.in_scope(|| tokio::spawn(self.state.serve(work()))); Ok(task)),
        quote!(let tasks: Vec<_> = ports.iter().map(|port| self.state.serve(work(port))).collect();
            for task in tasks { tokio::spawn(task); }),
        quote!(self.tasks.lock().unwrap().push(tokio::spawn(self.state.serve(work())));
            self.tasks.lock().unwrap().len(); ready().await;),
        quote!(let task = tokio::spawn(self.state.serve(work())); describe(&task).await;),
        quote!(let part = self.state.serve(work()); describe(part).await;),
        quote!(let part = self.state.serve(work()); part.timeout(limit).await;),
        quote!(let task = tokio::spawn(self.state.serve(work())); task.timeout(limit).await;),
        quote!(let task = tokio::spawn(self.state.serve(work())); let two = some![task]; two.await;),
    ];
    for body in others {
        let found = told(quote!(start, state = self.state), body.clone());
        assert!(found.is_empty(), "{body}: {found:#?}");
    }
}

#[test]
fn a_start_that_waits_for_its_own_end() {
    let message = |found: &[String]| match found {
        [one] => one.contains("this very start to end"),
        _ => false,
    };
    for body in [
        quote!(self.state.stop().await;),
        quote!(let _ = self.state.stop_or_abort(limit()).await; return Err(error);),
        quote!(self.state.stopped().await?; Ok(())),
        quote!(if failed {
            (&self.state).stop().await?;
        }),
    ] {
        let found = told(quote!(start, state = self.state), body.clone());
        assert!(message(&found), "{body}: {found:#?}");
    }
    for body in [
        quote!(self.other.stop().await;),
        quote!(self.state.request_stop(); Ok(())),
        quote!(let state = self.state.clone();
            tokio::spawn(self.state.serve(async move { state.stop().await }));),
        quote!(let state = self.state.clone();
            #[detached] tokio::spawn(async move { state.stopped().await });),
        quote!(let state = self.state.clone(); on_signal(move || async move { state.stop().await });),
    ] {
        let found = told(quote!(start, state = self.state), body.clone());
        assert!(found.is_empty(), "{body}: {found:#?}");
    }
    let asked = told(
        quote!(state = self.state),
        quote!(shutdown.cancelled().await; self.state.stop().await; Ok(())),
    );
    assert!(
        matches!(&*asked, [one] if one.contains("or when it is over?")),
        "{asked:#?}"
    );
    let run = told(
        quote!(run, state = self.state),
        quote!(if broken() { self.state.stop().await?; } self.state.store(State::UP); Ok(())),
    );
    assert!(run.is_empty(), "before its publication: {run:#?}");
}

#[test]
fn a_shadowed_name_means_the_token_again_after_its_block() {
    let waits = |body: TokenStream| flow(body).waits.len();
    let shadowed = quote!({ let shutdown = other(); keep(shutdown); } shutdown.cancelled().await;);
    assert_eq!(waits(shadowed), 1);
    let unknown = quote!({ let stop = shutdown.clone(); keep(stop); } stop.cancelled().await;);
    assert_eq!(waits(unknown), 0);
}

/// The errors of a method with this body.
fn told(args: TokenStream, body: TokenStream) -> Vec<String> {
    errors(
        args,
        quote!(async fn start(&self, shutdown: CancellationToken) -> Result<(), Error> { #body }),
    )
}

#[test]
fn a_part_without_a_state_of_the_guard() {
    let parts = [
        (
            quote!(spawn(self.state.serve(work(shutdown)));),
            "self.state",
        ),
        (
            quote!(let part = self.state.track(work()); spawn(part);),
            "self.state",
        ),
        (
            quote!(spawn(self.life.serve(async move { work().await }));),
            "self.life",
        ),
        (
            quote!(let guard = self.inner.life.serve_guard();),
            "self.inner.life",
        ),
        (
            quote!(let state = self.state(); spawn(state.serve(work()));),
            "..",
        ),
        (
            quote!(spawn(self.state.serve(work())); spawn(self.state.serve(more()));),
            "self.state",
        ),
    ];
    for (body, state) in parts {
        let found = told(quote!(), body.clone());
        let fix = format!("; add `state = {state}` to `#[cancel_guarded]`");
        assert!(
            matches!(&*found, [one] if one.ends_with(&fix)),
            "{body}: {found:#?}"
        );
    }
    let others = [
        quote!(spawn(router.serve(address));),
        quote!(spawn(self.server.serve(make_service()));),
        quote!(self.metrics.track(work()).await;),
        quote!(let attempt = self.state.begin(&shutdown)?; spawn(self.state.serve(work()));),
    ];
    for body in others {
        let found = told(quote!(), body.clone());
        assert!(found.is_empty(), "{body}: {found:#?}");
    }
}

#[test]
fn a_store_without_a_state_of_the_guard() {
    let body = quote!(
        self.state.store(Lifecycle::Running);
        self.state.store(Phase::STOPPING);
    );
    let found = told(quote!(run), body.clone());
    let message = "this stores to `self.state`, and the guard has no state; add \
                   `state = self.state` to `#[cancel_guarded]`";
    assert_eq!(found, [message]);
    // A start stores no such state, and rustc says so.
    assert!(told(quote!(start), body).is_empty());
    let others = quote!(self.config.store(Arc::new(config)); self.phase.store(Phase::Up););
    assert!(told(quote!(run), others).is_empty());
}

#[test]
fn a_part_of_another_cell() {
    let parts = [
        quote!(spawn(self.state.serve(work(shutdown)));),
        quote!(spawn(self.state.track(work()).instrument(span));),
        quote!(let part = self.state.serve(work()); spawn(part);),
    ];
    for body in parts {
        let found = told(quote!(state = self.other), body.clone());
        let message = "this is served on `self.state`, and the guard's state is `self.other`; \
                       write the same cell in both places";
        assert_eq!(found, [message], "{body}");
    }
    for body in [
        quote!(spawn(self.other.serve(work(shutdown)));),
        quote!(spawn(self.other.track(work()));),
    ] {
        let found = told(quote!(state = self.state), body.clone());
        let message = "this is served on `self.other`, and the guard's state is `self.state`; \
                       write the same cell in both places, or, if `self.other` is no cell, \
                       `self.state.serve(..)` around this future";
        assert_eq!(found, [message], "{body}");
    }
    for body in [
        quote!(spawn(server.serve(address));),
        quote!(spawn(self.other.serve(address, work()));),
        quote!(spawn(self.server().serve(address));),
    ] {
        let found = told(quote!(state = self.state), body.clone());
        assert!(
            matches!(&*found, [one] if one.starts_with("nothing waits for this task")),
            "{body}: {found:#?}"
        );
    }
}

#[test]
fn a_cell_that_each_call_makes() {
    let start = |state: TokenStream| {
        errors(
            quote!(state = #state),
            quote!(
                async fn start(&self, shutdown: CancellationToken) -> Result<(), E> {
                    spawn(self.state.serve(work(shutdown)));
                }
            ),
        )
    };
    for state in [
        quote!(StateCell::new()),
        quote!(StateCell::<Phase>::default()),
        quote!(&StateCell::named("mailer")),
        quote!(Arc::new(cancel_guarded::StateCell::new())),
        quote!(Default::default()),
        quote!((StateCell::new())),
        TokenTree::from(Group::new(Delimiter::None, quote!(StateCell::new()))).into(),
    ] {
        let found = start(state.clone());
        assert!(
            matches!(&*found, [one] if one.contains("makes a new cell at each call")),
            "{state}: {found:#?}"
        );
    }
    for state in [
        quote!(self.state),
        quote!(self.inner.state()),
        quote!(registry::state()),
        quote!(Arc::clone(&self.state)),
        quote!(named("mailer")),
        quote!(Cells::at(0)),
        quote!(Wrapper::new(self.state.clone())),
    ] {
        let found = start(state.clone());
        let is_new = |error: &String| error.contains("makes a new cell");
        assert!(!found.iter().any(is_new), "{state}: {found:#?}");
    }
}

#[test]
fn a_cell_that_a_constructor_makes() {
    let new = |args: TokenStream, returns: TokenStream, cell: TokenStream| {
        let body = quote! {
            let #cell = StateCell::new();
            spawn(#cell.serve(work(shutdown)));
            Ok(Self { state: #cell })
        };
        errors(
            args,
            quote!(async fn new(shutdown: CancellationToken) -> #returns { #body }),
        )
    };
    for (args, returns, cell) in [
        (
            quote!(state = state),
            quote!(io::Result<Self>),
            quote!(state),
        ),
        (
            quote!(state = state),
            quote!(Result<Arc<Self>, E>),
            quote!(cell),
        ),
        (
            quote!(state = cell),
            quote!(Result<Server, E>),
            quote!(cell),
        ),
        (quote!(), quote!(Result<Self, E>), quote!(cell)),
        (quote!(state = state), quote!(Self), quote!(state)),
        (quote!(), quote!(Self), quote!(state)),
    ] {
        let found = new(args, returns, cell);
        assert!(
            matches!(&*found, [one] if one.contains(".begin(&")),
            "{found:#?}"
        );
    }
    let taken = errors(
        quote!(state = state),
        quote! {
            async fn new(state: StateCell, shutdown: CancellationToken) -> Result<Self, E> {
                spawn(state.serve(work(shutdown)));
                Ok(Self { state })
            }
        },
    );
    assert!(taken.is_empty(), "{taken:#?}");
}
