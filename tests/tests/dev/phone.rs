//! The same page in a hand: one chat at a time, nothing beyond the edge.

use crate::browser::Browser;
use crate::command::Dev;
use crate::workspace::Workspace;

const ENTER: &str = "\u{e007}";

/// Players are tabs, and the inspector is a view.
pub(crate) async fn in_a_hand(workspace: &Workspace) {
    let dev = Dev::start(&workspace.dir, &["--port", "17970"]).await;
    let page = Browser::open(&dev.url, 390, 844).await;
    page.read("#build", "built dice").await;
    page.type_in("#chat-15550160001 .composer textarea", &format!("hi{ENTER}")).await;
    page.read("#chat-15550160001 .from-game .text", "Hello Ada").await;
    page.click("#chat-15550160001 .choices button", "Roll").await;
    page.read("#chat-15550160001 .from-game .text", "That was roll 1.").await;
    page.shot("phone").await;

    page.click("#tabs button", "Bo").await;
    page.gone("#chat-15550160001 h2").await;
    page.click("#add-player", "").await;
    page.click("dialog .people .row", "Cleo").await;
    page.click("#tabs button", "Cleo").await;
    page.type_in("#chat-15550160003 .composer textarea", &format!("hi{ENTER}")).await;
    page.read("#chat-15550160003 .from-game .text", "Hello Cleo, you are bronze").await;

    page.click(".switch button", "Inspector").await;
    page.read(".step[open]", "flow dice answers stay").await;
    page.gone("#chat-15550160003 h2").await;
    page.shot("phone-inspector").await;
    let widths = page.ask("return [document.documentElement.scrollWidth, window.innerWidth]").await;
    assert_eq!(widths[0], widths[1], "nothing is beyond the edge");
    page.click(".switch button", "Chat").await;

    workspace.change_flow("You rolled a four", "You rolled a six");
    page.type_in("#chat-15550160003 .composer textarea", &format!("menu{ENTER}")).await;
    page.click("#chat-15550160003 .choices .menu", "Choose").await;
    page.shot("phone-list").await;
    page.click("dialog .row", "Twenty").await;
    page.read("#chat-15550160003 .from-game .text", "Twenty sides it is.").await;
    page.close().await;
}
