//! Parameters that are patterns, and `mut` bindings.

use cancel_guarded::{CancellationToken, StateCell, cancel_guarded};
use cancel_guarded_tests::TestError;

use crate::harness::{Service, Work, forms};

struct Pair {
    left: u32,
    right: u32,
}

struct Named<'a, T> {
    name: &'a str,
    r#type: T,
}

struct Wrapped(u32, String);

#[derive(Clone, Copy)]
struct Number(u32);

/// The parameters of a function, in one value.
struct Context {
    state: StateCell,
    work: Work,
    stop: CancellationToken,
    count: u32,
}

impl Context {
    fn of(service: &Service, stop: CancellationToken) -> Self {
        Self {
            state: service.state.clone(),
            work: service.work.clone(),
            stop,
            count: 6,
        }
    }
}

#[cancel_guarded(state = state)]
async fn state_in_a_field(
    Context { state, work, .. }: Context,
    shutdown: CancellationToken,
) -> Result<u32, TestError> {
    assert!(!state.is_running(), "the body may use it");
    Ok(work.done().await)
}

#[cancel_guarded(state = state)]
async fn state_in_a_field_of_a_reference(
    Context { state, work, .. }: &Context,
    shutdown: &CancellationToken,
) -> Result<u32, TestError> {
    Ok(work.done().await)
}

#[cancel_guarded(token = stop, state = state)]
async fn both_in_one_pattern(
    Context {
        state,
        stop,
        work,
        count: _,
    }: Context,
) -> Result<u32, TestError> {
    let value = work.done().await;
    assert!(!stop.is_cancelled(), "the body sees a live token");
    Ok(value)
}

#[cancel_guarded(state = state)]
async fn state_beside_a_wildcard(
    (state, _, work): (StateCell, String, Work),
    shutdown: CancellationToken,
) -> Result<u32, TestError> {
    Ok(work.done().await)
}

impl Service {
    #[cancel_guarded(state = self.state)]
    async fn tuple(
        &self,
        (left, right): (u32, u32),
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(left + right)
    }

    #[cancel_guarded(state = self.state)]
    async fn mutable_in_a_tuple(
        &self,
        (mut left, right): (u32, u32),
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        left += right;
        self.work.done().await;
        Ok(left)
    }

    #[cancel_guarded(state = self.state)]
    async fn fields(
        &self,
        Pair { left, right: other }: Pair,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(left + other)
    }

    #[cancel_guarded(state = self.state)]
    async fn mutable_fields(
        &self,
        Pair { mut left, right }: Pair,
        Named { name, r#type }: Named<'_, u32>,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        left += right;
        self.work.done().await;
        Ok(left + r#type + u32::from(name.is_empty()))
    }

    #[cancel_guarded(state = self.state)]
    async fn some_fields(
        &self,
        Pair { left, .. }: Pair,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(left)
    }

    #[cancel_guarded(state = self.state)]
    async fn tuple_struct(
        &self,
        Wrapped(number, name): Wrapped,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(number + u32::from(name.is_empty()))
    }

    #[cancel_guarded(state = self.state)]
    async fn rest(
        &self,
        Wrapped(number, ..): Wrapped,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(number)
    }

    #[cancel_guarded(state = self.state)]
    async fn by_reference(
        &self,
        &number: &u32,
        &Number(other): &Number,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(number + other)
    }

    #[cancel_guarded(state = self.state)]
    async fn through_reference(
        &self,
        Wrapped(number, name): &Wrapped,
        (_, other): &mut (String, u32),
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        *other += *number + u32::from(name.is_empty());
        Ok(*other)
    }

    #[cancel_guarded(state = self.state)]
    async fn borrowing(
        &self,
        ref borrowed: String,
        changed: u32,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(changed + u32::from(borrowed.is_empty()))
    }

    #[cancel_guarded(state = self.state)]
    async fn array(
        &self,
        [first, mut second, _]: [u32; 3],
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        second += first;
        self.work.done().await;
        Ok(second)
    }

    #[cancel_guarded(state = self.state)]
    async fn array_with_rest(
        &self,
        [first, .., last]: [u32; 4],
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(first + last)
    }

    #[cancel_guarded(state = self.state)]
    async fn whole_and_part(
        &self,
        whole @ Number(part): Number,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(whole.0.max(part))
    }

    #[cancel_guarded(state = self.state)]
    async fn nested_patterns(
        &self,
        (Pair { left, .. }, (Wrapped(_, name), &mut ref number)): (Pair, (Wrapped, &mut u32)),
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(left + *number + u32::from(name.is_empty()))
    }

    #[cancel_guarded(state = self.state)]
    async fn unnamed(
        &self,
        _: String,
        _named: String,
        (): (),
        _: CancellationToken,
        value: u32,
    ) -> Result<u32, TestError> {
        self.work.done().await;
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn mutable(
        &self,
        mut number: u32,
        mut text: String,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        text.push('!');
        number += u32::try_from(text.len()).unwrap_or_default();
        self.work.done().await;
        Ok(number)
    }

    #[cancel_guarded(state = self.state)]
    async fn mutable_reference(
        &self,
        mut slot: &mut u32,
        other: &mut u32,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        *slot += 1;
        let value = *slot;
        slot = other;
        *slot = value;
        self.work.done().await;
        Ok(*slot)
    }

    #[cancel_guarded(state = self.state)]
    async fn mutable_token(&self, mut shutdown: CancellationToken) -> Result<u32, TestError> {
        let value = self.work.done().await;
        shutdown = CancellationToken::clone(&shutdown);
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        Ok(value)
    }

    #[cancel_guarded(state = self.state)]
    async fn mutable_reference_to_the_token(
        &self,
        mut shutdown: &CancellationToken,
    ) -> Result<u32, TestError> {
        let value = self.work.done().await;
        let other = shutdown.clone();
        if value == 7 {
            shutdown = &other;
        }
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        Ok(value)
    }

    #[cancel_guarded(token = shutdown, state = self.state)]
    async fn token_in_a_tuple(
        &self,
        (shutdown, value): (CancellationToken, u32),
    ) -> Result<u32, TestError> {
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        self.work.done().await;
        Ok(value)
    }

    #[cancel_guarded(token = shutdown, state = self.state)]
    async fn token_beside_a_wildcard(
        &self,
        (shutdown, _): (CancellationToken, String),
    ) -> Result<u32, TestError> {
        let value = self.work.done().await;
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        Ok(value)
    }

    #[cancel_guarded(token = shutdown, state = self.state)]
    async fn token_before_the_rest(
        &self,
        (_, shutdown, ..): (String, &CancellationToken, u32, u32),
    ) -> Result<u32, TestError> {
        let value = self.work.done().await;
        assert!(!shutdown.is_cancelled(), "the body sees a live token");
        Ok(value)
    }

    #[cancel_guarded(token = stop, state = self.state)]
    async fn token_in_a_field(
        &self,
        Context {
            stop, mut count, ..
        }: Context,
    ) -> Result<u32, TestError> {
        count += 1;
        self.work.done().await;
        let _seen = stop.clone();
        Ok(count)
    }

    #[cancel_guarded(token = stop, state = self.state)]
    async fn token_that_the_body_does_not_name(
        &self,
        Context { stop, .. }: &Context,
    ) -> Result<u32, TestError> {
        Ok(self.work.done().await)
    }

    #[cancel_guarded(state = self.state)]
    async fn shadowed(&self, value: u32, shutdown: CancellationToken) -> Result<u32, TestError> {
        let shutdown = (shutdown, value);
        let value = self.work.done().await;
        assert!(!shutdown.0.is_cancelled(), "the body sees a live token");
        Ok(shutdown.1 + value - value)
    }
}

macro_rules! fields_in_a_macro {
    ($method:ident, $pair:ident { $first:ident, $second:ident }) => {
        impl Service {
            #[cancel_guarded(state = self.state)]
            async fn $method(
                &self,
                $pair { $first, $second }: $pair,
                shutdown: CancellationToken,
            ) -> Result<u32, TestError> {
                self.work.done().await;
                Ok($first + $second)
            }
        }
    };
}

fields_in_a_macro!(fields_in_a_macro, Pair { left, right });

forms! {
    tuple: |service, shutdown| service.tuple((3, 4), shutdown);
    mutable_in_a_tuple: |service, shutdown| service.mutable_in_a_tuple((3, 4), shutdown);
    fields: |service, shutdown| service.fields(Pair { left: 3, right: 4 }, shutdown);
    fields_in_a_macro: |service, shutdown| service.fields_in_a_macro(Pair { left: 3, right: 4 }, shutdown);
    mutable_fields: |service, shutdown| service.mutable_fields(Pair { left: 3, right: 1 }, Named { name: "a", r#type: 3 }, shutdown);
    some_fields: |service, shutdown| service.some_fields(Pair { left: 7, right: 4 }, shutdown);
    tuple_struct: |service, shutdown| service.tuple_struct(Wrapped(6, String::new()), shutdown);
    rest: |service, shutdown| service.rest(Wrapped(7, String::new()), shutdown);
    by_reference: |service, shutdown| service.by_reference(&3, &Number(4), shutdown);
    borrowing: |service, shutdown| service.borrowing(String::new(), 6, shutdown);
    array: |service, shutdown| service.array([3, 4, 5], shutdown);
    array_with_rest: |service, shutdown| service.array_with_rest([3, 9, 9, 4], shutdown);
    unnamed: |service, shutdown| service.unnamed(String::new(), String::new(), (), shutdown, 7);
    mutable: |service, shutdown| service.mutable(3, String::from("abc"), shutdown);
    mutable_reference: |service, shutdown| service.mutable_reference(&mut 6, &mut 0, shutdown);
    mutable_token: |service, shutdown| service.mutable_token(shutdown);
    token_in_a_tuple: |service, shutdown| service.token_in_a_tuple((shutdown, 7));
    token_beside_a_wildcard: |service, shutdown| service.token_beside_a_wildcard((shutdown, String::new()));
    token_before_the_rest: |service, shutdown| service.token_before_the_rest((String::new(), &shutdown, 0, 0));
    token_in_a_field: |service, shutdown| service.token_in_a_field(Context::of(&service, shutdown));
    token_that_the_body_does_not_name: |service, shutdown| service.token_that_the_body_does_not_name(&Context::of(&service, shutdown));
    state_in_a_field: |service, shutdown| super::state_in_a_field(Context::of(&service, CancellationToken::new()), shutdown);
    state_in_a_field_of_a_reference: |service, shutdown| super::state_in_a_field_of_a_reference(&Context::of(&service, CancellationToken::new()), &shutdown);
    both_in_one_pattern: |service, shutdown| super::both_in_one_pattern(Context::of(&service, shutdown));
    state_beside_a_wildcard: |service, shutdown| super::state_beside_a_wildcard((service.state, String::new(), service.work), shutdown);
    shadowed: |service, shutdown| service.shadowed(7, shutdown);
    through_reference: |service, shutdown| service.through_reference(&Wrapped(3, String::new()), &mut (String::new(), 3), shutdown);
    whole_and_part: |service, shutdown| service.whole_and_part(Number(7), shutdown);
    mutable_reference_to_the_token: |service, shutdown| service.mutable_reference_to_the_token(&shutdown);
}

#[test]
fn nested() {
    crate::harness::check(|service, shutdown| async move {
        let pair = Pair { left: 3, right: 0 };
        let wrapped = Wrapped(0, String::new());
        let nested = (pair, (wrapped, &mut 3));
        service.nested_patterns(nested, shutdown).await
    });
}
