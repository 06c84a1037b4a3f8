//! The forms of the token, each used by the body and not used by it.
//!
//! `rewrite/tokens.rs` tests which token the body sees.

use std::sync::Arc;

use cancel_guarded::{CancellationToken, cancel_guarded};
use cancel_guarded_tests::TestError;

use crate::harness::{Service, VALUE, Work, forms};

/// A form of the token: one start whose body does not name it, and one whose body does.
macro_rules! token {
    ($name:ident, $token:ty, |$caller:ident| $given:expr, |$seen:ident| $is_cancelled:expr) => {
        mod $name {
            use super::*;

            #[cancel_guarded(state = service.state)]
            async fn unnamed(service: &Service, shutdown: $token) -> Result<u32, TestError> {
                Ok(service.work.done().await)
            }

            #[cancel_guarded(state = service.state)]
            async fn named(service: &Service, shutdown: $token) -> Result<u32, TestError> {
                let value = service.work.done().await;
                let $seen: $token = shutdown;
                assert!(!$is_cancelled, "the body sees a live token");
                Ok(value)
            }

            forms! {
                not_seen: |service, $caller| unnamed(&service, $given);
                seen: |service, $caller| named(&service, $given);
            }
        }
    };
}

token!(by_value, CancellationToken, |shutdown| shutdown, |seen| {
    seen.is_cancelled()
});
token!(
    by_path,
    ::cancel_guarded::CancellationToken,
    |shutdown| shutdown,
    |seen| { seen.is_cancelled() }
);
token!(
    by_reference,
    &CancellationToken,
    |shutdown| &shutdown,
    |seen| seen.is_cancelled()
);
token!(
    by_two_references,
    &&CancellationToken,
    |shutdown| &&shutdown,
    |seen| { seen.is_cancelled() }
);
token!(
    optional,
    Option<CancellationToken>,
    |shutdown| Some(shutdown),
    |seen| { seen.is_some_and(|token| token.is_cancelled()) }
);
token!(
    optional_reference,
    Option<&CancellationToken>,
    |shutdown| Some(&shutdown),
    |seen| { seen.is_some_and(CancellationToken::is_cancelled) }
);
token!(
    reference_to_optional,
    &Option<CancellationToken>,
    |shutdown| &Some(shutdown),
    |seen| { seen.as_ref().is_some_and(CancellationToken::is_cancelled) }
);
token!(
    by_arc,
    Arc<CancellationToken>,
    |shutdown| Arc::new(shutdown),
    |seen| { seen.is_cancelled() }
);
token!(
    by_shared_arc,
    &Arc<CancellationToken>,
    |shutdown| &Arc::new(shutdown),
    |seen| { Arc::clone(seen).is_cancelled() }
);
token!(
    optional_arc,
    Option<Arc<CancellationToken>>,
    |shutdown| Some(Arc::new(shutdown)),
    |seen| { seen.is_some_and(|token| token.is_cancelled()) }
);
token!(
    optional_shared_arc,
    Option<&Arc<CancellationToken>>,
    |shutdown| Some(&Arc::new(shutdown)),
    |seen| seen.is_some_and(|token| token.is_cancelled())
);
token!(
    by_full_path,
    ::core::option::Option<::std::sync::Arc<::cancel_guarded::CancellationToken>>,
    |shutdown| Some(Arc::new(shutdown)),
    |seen| seen.is_some_and(|token| token.is_cancelled())
);

/// A service with its own token.
struct Keeping {
    service: Service,
    shutdown: CancellationToken,
}

impl Keeping {
    #[cancel_guarded(token = self.shutdown, state = self.service.state)]
    async fn by_field(&self) -> Result<u32, TestError> {
        Ok(self.service.work.done().await)
    }

    fn token(&self) -> CancellationToken {
        self.shutdown.clone()
    }

    #[cancel_guarded(token = self.token(), state = self.service.state)]
    async fn by_call(&self) -> Result<u32, TestError> {
        Ok(self.service.work.done().await)
    }

    #[cancel_guarded(token = self.shutdown.child_token(), state = self.service.state)]
    async fn by_child(&self) -> Result<u32, TestError> {
        Ok(self.service.work.done().await)
    }

    #[cancel_guarded(token = Some(&self.shutdown), state = self.service.state)]
    async fn by_option(&self) -> Result<u32, TestError> {
        Ok(self.service.work.done().await)
    }

    #[cancel_guarded(token = if other { &self.shutdown } else { &shutdown }, state = self.service.state)]
    async fn by_condition(
        &self,
        other: bool,
        shutdown: CancellationToken,
    ) -> Result<u32, TestError> {
        Ok(self.service.work.done().await)
    }
}

/// A token under another name.
type Token = CancellationToken;

#[cancel_guarded(token = shutdown, state = service.state)]
async fn aliased(service: &Service, shutdown: Token) -> Result<u32, TestError> {
    Ok(service.work.done().await)
}

#[cancel_guarded(token = second, state = service.state)]
async fn one_of_two(
    service: &Service,
    first: CancellationToken,
    second: &CancellationToken,
) -> Result<u32, TestError> {
    first.cancel();
    Ok(service.work.done().await)
}

#[cancel_guarded(token = shutdown, state = service.state)]
async fn generic<T: cancel_guarded::AsToken>(
    service: &Service,
    shutdown: T,
) -> Result<u32, TestError> {
    Ok(service.work.done().await)
}

#[cancel_guarded(token = tokens.1, state = service.state)]
async fn within_a_parameter(
    service: &Service,
    tokens: (u32, CancellationToken),
) -> Result<u32, TestError> {
    assert_eq!(tokens.0, VALUE, "the parameter arrives");
    Ok(service.work.done().await)
}

fn keeping(service: Service, shutdown: CancellationToken) -> Keeping {
    Keeping { service, shutdown }
}

forms! {
    given_field: |service, shutdown| keeping(service, shutdown).by_field();
    given_call: |service, shutdown| keeping(service, shutdown).by_call();
    given_child: |service, shutdown| keeping(service, shutdown).by_child();
    given_option: |service, shutdown| keeping(service, shutdown).by_option();
    given_condition: |service, shutdown| keeping(service, shutdown).by_condition(true, CancellationToken::new());
    given_alias: |service, shutdown| aliased(&service, shutdown);
    given_one_of_two: |service, shutdown| one_of_two(&service, CancellationToken::new(), &shutdown);
    given_generic: |service, shutdown| generic(&service, Arc::new(shutdown));
    given_within_a_parameter: |service, shutdown| within_a_parameter(&service, (VALUE, shutdown));
}

/// `None` is a token that is never cancelled.
#[test]
fn without_a_token_nothing_is_cancelled() {
    use cancel_guarded_tests::now;

    #[cancel_guarded(state = service.state)]
    async fn start(
        service: &Service,
        shutdown: Option<&CancellationToken>,
    ) -> Result<u32, TestError> {
        assert!(shutdown.is_none(), "`None` stays `None`");
        Ok(std::future::ready(VALUE).await)
    }

    let service = Service::new();
    assert_eq!(now(start(&service, None)), Ok(VALUE));
    assert!(service.state.is_running());
    let _: &Work = &service.work;
}
