use cancel_guarded::{State, StateCell};
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Idle,
    Opening,
    Migrating,
    Serving,
    Draining,
    Broken,
}
///
/// | state | role | meaning |
/// |---|---|---|
/// | `Idle` | `initial`, `stopped` | nothing has begun; the service has ended |
/// | `Opening` | `starting` | a start is under way |
/// | `Migrating` | – | a step of the service's own |
/// | `Serving` | `running` | the start has succeeded |
/// | `Draining` | `stopping` | the service was told to end |
/// | `Broken` | `failed` | the start or the service failed, and no part of it is left |
#[automatically_derived]
impl ::cancel_guarded::State for Phase {
    const INITIAL: Self = Self::Idle;
    const STARTING: Self = Self::Opening;
    const RUNNING: Self = Self::Serving;
    const STOPPING: Self = Self::Draining;
    const STOPPED: Self = Self::Idle;
    const FAILED: Self = Self::Broken;
    const VARIANTS: &'static [Self] = &[
        Self::Idle,
        Self::Opening,
        Self::Migrating,
        Self::Serving,
        Self::Draining,
        Self::Broken,
    ];
    fn index(self) -> ::core::primitive::u8 {
        match self {
            Self::Idle => 0u8,
            Self::Opening => 1u8,
            Self::Migrating => 2u8,
            Self::Serving => 3u8,
            Self::Draining => 4u8,
            Self::Broken => 5u8,
        }
    }
    fn name(self) -> &'static ::core::primitive::str {
        match self {
            Self::Idle => "Idle",
            Self::Opening => "Opening",
            Self::Migrating => "Migrating",
            Self::Serving => "Serving",
            Self::Draining => "Draining",
            Self::Broken => "Broken",
        }
    }
}
pub fn run() {
    assert_eq!(StateCell::< Phase >::new().state(), Phase::Idle);
    assert_eq!(Phase::Broken.name(), "Broken");
}
