//! What is known of templates, shared: told by whoever hears Meta, asked whenever a template is to be sent. An ordinary message
//! asks nothing here.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Book, Standing};
use crate::id::NumberId;
use crate::time::UnixMs;

/// The book of one business account, as of now.
#[derive(Debug, Clone, Default)]
pub struct AccountBook(Arc<RwLock<Arc<Book>>>);

impl AccountBook {
    /// What is known now.
    pub fn get(&self) -> Arc<Book> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on this is known.
    pub fn put(&self, book: Arc<Book>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = book;
    }
}

/// The books of all accounts, by the numbers that send their templates. A game without numbers knows nothing of Meta.
#[derive(Debug, Clone, Default)]
pub struct AtMeta(Arc<HashMap<NumberId, AccountBook>>);

impl AtMeta {
    /// From numbers and the books of their accounts.
    pub fn new(books: impl IntoIterator<Item = (NumberId, AccountBook)>) -> Self {
        Self(Arc::new(books.into_iter().collect()))
    }

    /// What is known of the templates that a number can send.
    pub fn book(&self, number: &NumberId) -> Option<Arc<Book>> {
        self.0.get(number).map(AccountBook::get)
    }

    /// Whether a number can send a version now.
    pub fn standing(&self, number: &NumberId, name: &str, language: &str, now: UnixMs) -> Standing {
        self.book(number).map_or(Standing::Unknown, |book| book.standing(name, language, now))
    }
}
