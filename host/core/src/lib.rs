//! The rules of Questline, pure: no clock, no I/O, no runtime.
//!
//! The modules stand in the order a message meets them. A webhook becomes [`event`]s of a [`contact`]; the store keeps
//! them in a [`conversation`]'s inbox; [`command`]s of the host come first, then the [`game`] routes the event to a
//! flow; what the flow answers is an [`outcome`] of [`effect`]s; [`decide`] turns it into a [`commit`], or refuses it
//! with a reason; committed messages wait in the [`outbox`] until the sender may [`send`] them, and [`status`] tells
//! how far they came. [`port`] lists what the outside implements.

pub mod day;
mod hex;
pub mod id;
pub mod time;

pub mod contact;
pub mod event;
pub mod experiment;

pub mod command;
pub mod consent;
pub mod conversation;
pub mod window;

pub mod capability;
pub mod game;
pub mod intent;
pub mod template;

pub mod effect;
pub mod flow;
pub mod lane;
pub mod media;
pub mod message;
pub mod outcome;

pub mod account;
pub mod audit;
pub mod authentication;
pub mod broadcast;
pub mod commit;
pub mod decide;
pub mod recovery;
pub mod reply;
pub mod secret;
pub mod sensitive;
pub mod step;

pub mod operation;
pub mod outbox;
pub mod permit;
pub mod rate;
pub mod retry;
pub mod send;
pub mod status;
pub mod tracked;

pub mod release;
pub mod token;
pub mod verification;

pub mod port;
pub mod service;
