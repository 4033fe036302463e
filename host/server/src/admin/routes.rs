//! Routes that can be listed: what is served and what is documented are held against one another.

use std::sync::Arc;

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodRouter, delete, get, post, put};

use super::Admin;

/// Routes, and their names.
#[derive(Default)]
pub(super) struct Routes {
    pub(super) router: Router<Arc<Admin>>,
    /// Method in lower case, and path.
    pub(super) listed: Vec<(&'static str, &'static str)>,
}

macro_rules! methods {
    ($($method:ident),*) => {
        $(pub(super) fn $method<H: Handler<T, Arc<Admin>>, T: 'static>(self, path: &'static str, handler: H) -> Self {
            self.add(stringify!($method), path, $method(handler))
        })*
    };
}

impl Routes {
    methods!(get, post, put, delete);

    /// With what has to be shown in front of all of them.
    pub(super) fn guarded(self, guard: impl FnOnce(Router<Arc<Admin>>) -> Router<Arc<Admin>>) -> Self {
        Self { router: guard(self.router), ..self }
    }

    /// These too.
    pub(super) fn and(mut self, others: Self) -> Self {
        self.listed.extend(others.listed);
        Self { router: self.router.merge(others.router), ..self }
    }

    fn add(mut self, method: &'static str, path: &'static str, handler: MethodRouter<Arc<Admin>>) -> Self {
        self.listed.push((method, path));
        Self { router: self.router.route(path, handler), ..self }
    }
}
