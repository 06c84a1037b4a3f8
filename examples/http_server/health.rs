//! The health check. A cell is all it needs.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use cancel_guarded::{Lifecycle, StateCell};

pub(crate) fn router(state: StateCell) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .with_state(state)
}

/// 200 while the service is running, 503 before and behind it; the body names the state.
async fn healthz(State(cell): State<StateCell>) -> (StatusCode, String) {
    // Read once, so that status and body say the same.
    let state = cell.state();
    let status = match state {
        Lifecycle::Running => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{state:?}\n"))
}
