//! Generated code keeps its meaning, whatever names the user has in scope.

// The items with these names are of any kind, and unused.
#![allow(non_camel_case_types, non_upper_case_globals, dead_code)]
#![allow(clippy::unused_async, clippy::too_many_arguments)]

/// The attribute and the derive need no imports.
mod without_a_prelude {
    #![no_implicit_prelude]

    use ::cancel_guarded::{CancellationToken, Lifecycle, StartError, State, StateCell};

    #[derive(
        ::core::clone::Clone,
        ::core::marker::Copy,
        ::core::fmt::Debug,
        ::core::cmp::PartialEq,
        ::core::cmp::Eq,
        State,
    )]
    enum Phase {
        #[state(initial, starting, stopping, stopped, failed)]
        Down,
        #[state(running)]
        Up,
    }

    struct Service {
        state: StateCell<Phase>,
    }

    impl Service {
        /// Starts.
        #[::cancel_guarded::cancel_guarded(state = self.state, restart)]
        async fn start(
            &self,
            mut port: u16,
            (host, _): (u8, u8),
            shutdown: CancellationToken,
        ) -> ::core::result::Result<u16, StartError> {
            bind().await;
            port += <u16 as ::core::convert::From<u8>>::from(host);
            #[shielded]
            bind().await;
            ::core::mem::drop(shutdown);
            ::core::result::Result::Ok(port)
        }
    }

    #[::cancel_guarded::cancel_guarded(run, state = state, caller = whole)]
    async fn run(state: StateCell, shutdown: &CancellationToken) {
        state.store(Lifecycle::Running);
        let () = whole.cancelled().await;
        shutdown.cancelled().await;
    }

    #[::cancel_guarded::cancel_guarded(run, state = state)]
    fn run_at_once(state: &StateCell, shutdown: &CancellationToken) {
        ::core::mem::drop(::core::clone::Clone::clone(shutdown));
    }

    #[::cancel_guarded::cancel_guarded(state = state, restart)]
    fn start_at_once(
        state: &StateCell,
        mut port: u16,
        shutdown: CancellationToken,
    ) -> ::core::result::Result<u16, StartError> {
        port += 1;
        ::core::mem::drop(shutdown);
        ::core::result::Result::Ok(port)
    }

    #[::cancel_guarded::cancel_guarded(on_refused = refused)]
    fn pinned(
        _: CancellationToken,
    ) -> ::core::pin::Pin<
        ::std::boxed::Box<dyn ::core::future::Future<Output = ::core::option::Option<u16>>>,
    > {
        ::std::boxed::Box::pin(async move { ::core::option::Option::Some(80) })
    }

    fn refused(_: StartError) -> ::core::option::Option<u16> {
        ::core::option::Option::None
    }

    async fn bind() {}

    #[test]
    fn starts() {
        let service = Service {
            state: StateCell::new(),
        };
        let token = CancellationToken::new();
        let started = ::cancel_guarded_tests::now(service.start(
            79,
            (1, 0),
            ::core::clone::Clone::clone(&token),
        ));
        ::std::assert_eq!(started, ::core::result::Result::Ok(80));
        ::std::assert_eq!(service.state.state(), Phase::Up);
        let state = StateCell::new();
        run_at_once(&state, &token);
        ::std::assert_eq!(state.state(), Lifecycle::Stopped);
        let started = start_at_once(&state, 79, ::core::clone::Clone::clone(&token));
        ::std::assert_eq!(started, ::core::result::Result::Ok(80));
        token.cancel();
        ::cancel_guarded_tests::now(run(StateCell::new(), &token));
        let refused = ::cancel_guarded_tests::now(pinned(token));
        ::std::assert_eq!(refused, ::core::option::Option::None);
    }
}

/// Items with names that generated code could use.
mod with_namesakes {
    use ::cancel_guarded::{CancellationToken, Lifecycle, StateCell, cancel_guarded};
    use ::cancel_guarded_tests::now;

    struct Arc;
    struct Box;
    struct Future;
    struct IntoFuture;
    struct Option;
    struct Pin;
    struct Result;
    struct Send;
    struct StartError;
    struct State;
    struct String;
    struct Vec;
    struct u8;
    struct str;

    const Ok: () = ();
    const Err: () = ();
    const Some: () = ();
    const None: () = ();

    mod alloc {}
    mod core {}
    mod std {}
    mod tokio_util {}
    mod __private {}

    fn attempt() {}
    fn checked() {}
    fn checkpoint() {}
    fn child() {}
    fn drop() {}
    fn shield() {}
    fn start() {}
    fn stateless() {}
    fn on_refused() {}
    fn on_refused_default() {}
    fn __cancel_guarded() {}
    fn __on_refused() {}
    fn __options() {}
    fn __ret() {}
    fn __shield() {}
    fn __start() {}

    #[derive(Clone, Copy, Debug, PartialEq, Eq, ::cancel_guarded::State)]
    enum Phase {
        #[state(initial, starting, stopping, stopped, failed)]
        Some,
        #[state(running)]
        None,
    }

    #[cancel_guarded(state = state)]
    async fn both(
        state: StateCell<Phase>,
        shutdown: CancellationToken,
    ) -> ::std::option::Option<()> {
        ready().await;
        #[shielded]
        let () = ready().await;
        ::std::mem::drop(shutdown);
        ::std::option::Option::Some(())
    }

    async fn ready() {}

    #[test]
    fn start_by_their_absolute_names() {
        let state = StateCell::new();
        let started = now(both(state.clone(), CancellationToken::new()));
        assert!(started.is_some());
        assert_eq!(state.state(), Phase::None);
        assert_eq!(<StateCell>::new().state(), Lifecycle::Created);
    }
}

/// Parameters and variables with the names of generated ones.
mod variables {
    use cancel_guarded::{CancellationToken, StartError, StateCell, cancel_guarded};
    use cancel_guarded_tests::now;

    #[cancel_guarded(token = __start, state = __error, on_refused = refused)]
    async fn as_parameters(
        __options: u16,
        __on_refused: u16,
        __cancel_guarded: u16,
        __ret: u16,
        __shield: u16,
        (__arg3, _): (u16, u16),
        __start: CancellationToken,
        __error: StateCell,
    ) -> Result<u16, StartError> {
        ready().await;
        #[shielded]
        ready().await;
        drop(__start);
        Ok(__options + __on_refused + __cancel_guarded + __ret + __shield + __arg3)
    }

    fn refused(error: StartError) -> Result<u16, StartError> {
        Err(error)
    }

    #[cancel_guarded]
    async fn as_locals(start: CancellationToken) -> Option<u16> {
        let __options = 1;
        let __ret = ready().await;
        let checked = |value: u16| value;
        let checkpoint = __ret;
        #[shielded]
        let __shield = ready().await;
        ready().await;
        drop(start);
        Some(__options + checked(checkpoint) + __shield)
    }

    async fn ready() -> u16 {
        1
    }

    #[test]
    fn stay_the_users_own() {
        let (token, state) = (CancellationToken::new(), StateCell::new());
        let started = now(as_parameters(1, 2, 3, 4, 5, (6, 0), token.clone(), state));
        assert_eq!(started, Ok(21));
        assert_eq!(now(as_locals(token)), Some(3));
    }
}

/// The library under another name, and from another module.
mod renamed {
    mod prelude {
        pub(crate) mod nested {
            pub(crate) use ::cancel_guarded as guard;
        }
    }

    // The usual name finds nothing.
    mod cancel_guarded {}

    use prelude::nested::guard::{self, CancellationToken, State, StateCell};

    #[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
    #[state(crate = prelude::nested::guard)]
    enum Phase {
        #[state(initial, starting, stopping, stopped, failed)]
        Down,
        #[state(running)]
        Up,
    }

    #[guard::cancel_guarded(run, crate = guard, state = state)]
    async fn start(state: StateCell<Phase>, shutdown: CancellationToken) {
        ready().await;
        state.store(Phase::Up);
        ready().await;
        drop(shutdown);
    }

    #[guard::cancel_guarded(crate = self::prelude::nested::guard)]
    async fn by_path(_: CancellationToken) {
        let () = ready().await;
        ready().await;
        ready().await;
    }

    async fn ready() {}

    #[test]
    fn starts() {
        let state = StateCell::new();
        ::cancel_guarded_tests::now(start(state.clone(), CancellationToken::new()));
        ::cancel_guarded_tests::now(by_path(CancellationToken::new()));
        assert_eq!(state.state(), Phase::Down, "up, and down at its end");
    }
}

/// Functions that a user's macro writes.
mod in_macros {
    use cancel_guarded::{CancellationToken, Lifecycle, StateCell};
    use cancel_guarded_tests::now;

    pub(crate) mod reexported {
        pub(crate) use ::cancel_guarded::*;
    }

    macro_rules! starts {
        ($name:ident, $this:ident, $state:expr, $token:expr, $up:expr, $output:ty, $($body:tt)*) => {
            #[$crate::in_macros::reexported::cancel_guarded(
                run,
                state = $state,
                token = $token,
                on_refused = |_| <$output>::default(),
                crate = $crate::in_macros::reexported
            )]
            async fn $name(&$this) -> $output {
                ready().await;
                $state.store($up);
                // This name belongs to the macro, not to the body.
                let port = ready().await;
                let _ = port;
                $($body)*
            }
        };
    }

    macro_rules! service {
        ($service:ident { $($field:ident : $type:ty = $value:expr),* }) => {
            struct $service { $($field: $type),* }

            impl Default for $service {
                fn default() -> Self {
                    Self { $($field: $value),* }
                }
            }
        };
    }

    macro_rules! parameter {
        ($name:ident, $token:ident, $type:ty, $wait:expr) => {
            #[cancel_guarded::cancel_guarded]
            async fn $name($token: $type) -> Option<u16> {
                let port = $wait.await;
                $wait.await;
                drop($token);
                Some(port)
            }
        };
    }

    service!(Service {
        state: StateCell = StateCell::new(),
        shutdown: CancellationToken = CancellationToken::new()
    });

    impl Service {
        starts!(
            start,
            self,
            self.state,
            self.shutdown,
            Lifecycle::Running,
            Option<u16>,
            {
                let port = 80;
                ready().await;
                Some(port)
            }
        );
    }

    parameter!(by_parameter, shutdown, CancellationToken, ready());

    async fn ready() -> u16 {
        80
    }

    #[test]
    fn start() {
        let service = Service::default();
        assert_eq!(now(service.start()), Some(80));
        assert_eq!(
            service.state.state(),
            Lifecycle::Stopped,
            "published, and over"
        );
        assert_eq!(now(by_parameter(CancellationToken::new())), Some(80));
    }
}

/// Names that are keywords without their `r#`.
mod raw {
    use cancel_guarded::{CancellationToken, State, StateCell, cancel_guarded};
    use cancel_guarded_tests::now;

    #[derive(Clone, Copy, Debug, PartialEq, Eq, State)]
    enum r#Type {
        #[state(initial, starting, stopping, stopped, failed)]
        r#Loop,
        #[state(running)]
        r#Move,
    }

    #[cancel_guarded(run, state = r#type, token = r#move, caller = r#where)]
    async fn r#async(
        r#type: StateCell<r#Type>,
        r#move: CancellationToken,
        mut r#in: u16,
    ) -> Option<u16> {
        r#in += 1;
        r#type.store(r#Type::r#Move);
        ready().await;
        drop((r#move, r#where));
        Some(r#in)
    }

    async fn ready() {}

    #[test]
    fn start() {
        let started = now(r#async(StateCell::new(), CancellationToken::new(), 79));
        assert_eq!(started, Some(80));
        assert_eq!(r#Type::r#Move.name(), "Move");
    }
}
