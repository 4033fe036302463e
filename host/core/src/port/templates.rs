//! The store's side of templates: what is known of each business account's, so that a start knows it before Meta has answered.

use async_trait::async_trait;

use super::StoreError;
use crate::template::at_meta::{Book, BookChange};

/// What is known of templates at Meta.
#[async_trait]
pub trait Templates: Send + Sync {
    /// What is known of an account's templates; an empty book for one that nobody has asked about.
    async fn template_book(&self, account: &str) -> Result<Book, StoreError>;

    /// Changes what is known in one atomic write; gives the book after it.
    async fn change_template_book(&self, account: &str, change: BookChange) -> Result<Book, StoreError>;
}
