//! The code of the guides in `runtime/docs`, a module for each guide, with its tests.

mod adopting;
mod fitting_in;
mod how_it_works;
mod lifecycle;
mod observing;
mod resources;
mod restarting;
mod shields;
mod start_or_run;
mod stopping;
mod telling_others;
