//! `questline dev`, driven in a browser as a person would: chat, look, break a flow, mend it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod browser;
mod chat;
mod command;
mod phone;
mod workspace;

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_is_talked_to_broken_and_mended_while_the_chat_goes_on() {
    let workspace = workspace::Workspace::new("dice");
    chat::at_a_desk(&workspace).await;
    workspace.reset();
    phone::in_a_hand(&workspace).await;
}
