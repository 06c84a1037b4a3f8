//! The types that can be named in `state = ..`.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};

use crate::lifecycle::State;
use crate::shared::Handle;

/// Something that holds a [`StateCell`](crate::StateCell): the cell, or a pointer to one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a `StateCell`",
    label = "not a `StateCell`, nor a `&`, `&mut`, `Arc`, `Rc`, `Box` or `LazyLock` of one",
    note = "`state = ..` names the `cancel_guarded::StateCell` of this service; put one in the place of an atomic, or of a state behind a lock"
)]
pub trait AsCell<S: State> {
    #[doc(hidden)]
    fn as_handle(&self) -> &Handle<S>;
}

macro_rules! impl_as_cell_by_deref {
    ($($pointer:ty),+) => {$(
        #[diagnostic::do_not_recommend]
        impl<S: State, C: AsCell<S> + ?Sized> AsCell<S> for $pointer {
            fn as_handle(&self) -> &Handle<S> {
                (**self).as_handle()
            }
        }
    )+};
}

impl_as_cell_by_deref!(&C, &mut C, Arc<C>, Rc<C>, Box<C>);

#[diagnostic::do_not_recommend]
impl<S: State, C: AsCell<S>, F: FnOnce() -> C> AsCell<S> for LazyLock<C, F> {
    fn as_handle(&self) -> &Handle<S> {
        (**self).as_handle()
    }
}
