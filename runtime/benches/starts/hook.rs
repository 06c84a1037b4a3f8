//! The least that a start takes which moves its state inside of `cancel()`.

use std::sync::Arc;

use cancel_guarded::{CancellationToken, StartError};

use super::by_hand::borrowed;
use super::{Contestant, come_up};
use crate::by_hand::RUNNING;
use crate::hooked::Hooked;

pub(crate) struct HookAlone;

impl Contestant for HookAlone {
    const NAME: &'static str = "the hook alone";
    type Service = Arc<Hooked>;

    fn service() -> Arc<Hooked> {
        Arc::default()
    }

    async fn start(
        service: &Arc<Hooked>,
        token: &mut Option<CancellationToken>,
    ) -> Result<(), StartError> {
        let token = borrowed(token);
        service.begin(token)?;
        come_up().await?;
        service.publish(token)
    }

    fn is_running(service: &Arc<Hooked>) -> bool {
        service.state.load() == RUNNING
    }
}
