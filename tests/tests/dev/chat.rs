//! A developer's session at a desk: chat, look at what the host did, break the flow, mend it.

use questline_tests::eventually;

use crate::browser::Browser;
use crate::command::Dev;
use crate::workspace::Workspace;

/// Enter, as WebDriver writes it.
const ENTER: &str = "\u{e007}";
const ADA: &str = "#chat-15550160001";
const BO: &str = "#chat-15550160002";

fn of(chat: &str, css: &str) -> String {
    format!("{chat} {css}")
}

/// One player's way through all that the page has.
pub(crate) async fn at_a_desk(workspace: &Workspace) {
    let dev = Dev::start(&workspace.dir, &["--port", "17770"]).await;
    refuses_others(&dev).await;
    let page = Browser::open(&dev.url, 1440, 900).await;
    page.read("#build", "built dice").await;
    page.read("h1", "Dice").await;

    // Two players side by side; the text is formatted, the footer is there, the host has the message.
    page.type_in(&of(ADA, ".composer textarea"), &format!("hi{ENTER}")).await;
    page.read(&of(ADA, ".from-game .text"), "Hello Ada, you are gold. Roll the dice!").await;
    page.read(&of(ADA, ".from-game strong"), "Ada").await;
    page.read(&of(ADA, ".from-game .footer"), "Dice club").await;
    page.read(&of(ADA, ".from-player .ticks.delivered"), "✓✓").await;
    page.read(&of(ADA, ".from-game .ticks.read"), "✓✓").await;
    page.type_in(&of(BO, ".composer textarea"), &format!("hi{ENTER}")).await;
    page.read(&of(BO, ".from-game .text"), "Hello Bo, you are silver").await;

    // A button, then a list.
    page.click(&of(ADA, ".choices button"), "Roll").await;
    page.read(&of(ADA, ".from-game .text"), "That was roll 1.").await;
    page.click(&of(ADA, ".choices button"), "Menu").await;
    page.click(&of(ADA, ".choices .menu"), "Choose").await;
    page.click("dialog .row", "Twenty sides").await;
    page.read(&of(ADA, ".from-game .text"), "Twenty sides it is.").await;

    // Beside the chat: the step, its effects, the log line, the session.
    page.read(".step[open]", "flow dice answers stay").await;
    page.read(".step[open] .log", "Ada wants twenty").await;
    page.click("#inspector-session", "").await;
    page.read("#inspector-panel", "\"rolls\": 1").await;
    page.shot("desk").await;

    // What is set of a player is what the flow reads.
    page.click(&of(BO, ".chat-head button"), "").await;
    page.ask(&format!(
        "const tier = document.querySelector('{BO} select[aria-label=Tier]'); tier.value = 'bronze'; tier.dispatchEvent(new Event('change'))"
    ))
    .await;
    page.read(&of(BO, ".who p"), "bronze").await;
    page.type_in(&of(BO, ".composer textarea"), &format!("hi again{ENTER}")).await;
    page.read(&of(BO, ".from-game .text"), "Hello Bo, you are bronze").await;

    // A ticket is closed, and the flow hears of it.
    page.type_in(&of(ADA, ".composer textarea"), &format!("help{ENTER}")).await;
    page.click("#inspector-tickets", "").await;
    page.click(".ticket button", "Close ticket").await;
    page.type_in("dialog textarea", "found under the sofa").await;
    page.click("dialog button.primary", "Close the ticket").await;
    page.read(&of(ADA, ".from-game .text"), "Solved: found under the sofa").await;

    // Time: the timer fires after the window has closed, so a template comes.
    page.type_in(&of(ADA, ".composer textarea"), &format!("remind{ENTER}")).await;
    page.read(&of(ADA, ".from-game .text"), "I will remind you.").await;
    page.click("#inspector-timers", "").await;
    page.read(".timer", "reminder").await;
    page.click("[data-advance='90000000']", "").await;
    page.read(&of(ADA, ".from-game .header"), "The dice wait").await;
    page.read(&of(ADA, ".from-game .text"), "Hello Ada, nobody has rolled for a day.").await;
    page.read(&of(ADA, ".window"), "closed").await;
    page.read("#ahead", "1 d 1 h").await;

    // A game event, first with a payload that is none.
    page.type_in(&of(ADA, ".composer textarea"), &format!("back{ENTER}")).await;
    page.read(&of(ADA, ".window"), "23:59").await;
    page.click("#send-event", "").await;
    page.clear("dialog [name=payload]").await;
    page.type_in("dialog [name=payload]", "{\"points\": ").await;
    page.read("dialog .problem", "Not JSON").await;
    page.type_in("dialog [name=payload]", "7}").await;
    page.click("dialog button.primary", "Send").await;
    page.read(&of(ADA, ".from-game .text"), "round-over says {\"points\":7}").await;

    // A trap is shown with its line, and the conversation goes on after it.
    page.type_in(&of(ADA, ".composer textarea"), &format!("crash{ENTER}")).await;
    page.click("#inspector-steps", "").await;
    page.read(".step .trap", "the dice fell off the table").await;
    page.read(".step .trap .place", "plugins/dice/src/lib.rs:").await;
    page.shot("trap").await;

    // The flow is broken: the version before goes on, and the compiler's message is on the page and in the terminal.
    workspace.change_flow("state.rolls += 1;", "state.rolls += pips;");
    page.read("#banner-title", "dice does not compile").await;
    page.read("#banner-place", "plugins/dice/src/lib.rs:").await;
    let detail = page.read("#banner-detail", "cannot find value `pips`").await;
    assert!(!detail.contains('\u{1b}'), "no escape sequences: {detail}");
    assert!(dev.said().contains("cannot find value `pips`"), "{}", dev.said());
    page.shot("broken").await;
    page.type_in(&of(BO, ".composer textarea"), &format!("roll{ENTER}")).await;
    page.read(&of(BO, ".from-game .text"), "You rolled a four.").await;

    // Mended: the banner goes, the new behaviour is there, the state is what it was.
    workspace.change_flow("You rolled a four", "You rolled a six");
    page.gone("#banner").await;
    page.type_in(&of(BO, ".composer textarea"), &format!("roll{ENTER}")).await;
    page.read(&of(BO, ".from-game .text"), "You rolled a six. That was roll 2.").await;

    // A text alone is swapped in without a compiler, and a mistake in it is told too.
    workspace.change_copy("Hello *{ $name }*", "Welcome back, *{ $name }*");
    page.read("#build", "reloaded").await;
    page.type_in(&of(ADA, ".composer textarea"), &format!("hi{ENTER}")).await;
    page.read(&of(ADA, ".from-game .text"), "Welcome back, Ada").await;
    workspace.change_copy("hello = Hello", "hello : Hello");
    page.read("#banner-detail", "copy").await;

    page.close().await;
    let said = dev.said();
    assert!(dev.interrupt().await.success(), "{said}");
}

/// The page is for this machine and for nobody else.
async fn refuses_others(dev: &Dev) {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = eventually("the page answers", async || http.get(&dev.url).send().await.ok()).await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let rebound = http.get(&dev.url).header("host", "evil.example:17770").send().await.unwrap();
    assert_eq!(rebound.status(), 403, "a name that was made to point here");
    let clock = format!("{}api/clock", dev.url);
    let body = serde_json::json!({ "by_ms": 1 });
    assert_eq!(http.post(&clock).json(&body).send().await.unwrap().status(), 403, "without the page's token");
    let guessed = http.post(&clock).json(&body).header("x-questline-token", "guess").send().await.unwrap();
    assert_eq!(guessed.status(), 403);
    let address: std::net::SocketAddr = dev.url.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
    assert!(address.ip().is_loopback());
}
