//! The health check. It needs nothing but the cell.

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

/// 200 while the service is running, 503 otherwise. The body names the state.
async fn healthz(State(cell): State<StateCell>) -> (StatusCode, String) {
    // Read once, so that the status and the body agree.
    let state = cell.state();
    let status = match state {
        Lifecycle::Running => StatusCode::OK,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{state:?}\n"))
}
