//! The product's promises, tested as a whole.
