# Starfall's texts in English. Values arrive ready to be shown: numbers and dates are written as the language does.
# WhatsApp's limits: a button's title has at most 20 characters, a body above buttons 1024.

## Names

currency-premium = Star Crystals
currency-free = Coins

## Buttons

button-balance = My Balance
button-events = Active Events
button-agent = Speak to Agent
button-transactions = Transaction History
button-claim-rewards = Claim Rewards
button-menu = Main Menu
button-new-code = Send a New Code
button-events-open = Show Events

## Who is writing

who-are-you = Welcome to Starfall support! To see your account here I need to know that it is really you. I am sending you a code: enter it here, in this chat. Nobody from our team will ever ask you for it.
code-waiting = A code is on its way to you. Type it here to go on. If it did not arrive, I can send a new one.
code-accepted = Thank you, that was the right code!
code-wrong = { $attempts ->
    [one] That is not the right code. You have one more try.
   *[other] That is not the right code. You have { $attempts } more tries.
}
code-dead = That code can no longer be used. I can send you a new one, or pass you on to an agent.
link-in-game = I do not know your account yet. Open Starfall on your device, go to Settings > Account > Link WhatsApp, and confirm your number there: then write to me again. If you cannot get into the game, an agent can help you.

## Menu

greeting = Hello { $name }! What can I do for you? I can show your balance and what is on in the game, or bring in an agent. If something went wrong with a purchase, just tell me what happened.
greeting-nameless = Hello! What can I do for you? I can show your balance and what is on in the game, or bring in an agent. If something went wrong with a purchase, just tell me what happened.
not-understood = Sorry, I did not get that. Pick one of these, or tell me in other words: I can help with your balance, rewards, events and purchases.
content-unreadable = I cannot work with that kind of message. Pick one of these, or tell me in words.
media-received = Thank you, I got it, but I cannot look at it myself. An agent can: tell them what it shows.
service-unavailable = I cannot look that up here. An agent can do it for you.

## Balance

balance =
    Your balance:
    ✨ Star Crystals: { $premium }
    🪙 Coins: { $free }
    🎁 Rewards waiting: { $rewards }
transactions =
    Your latest transactions:
    { $lines }
transactions-none = There are no transactions on your account yet.
rewards-claimed =
    These rewards are yours now:
    { $lines }

    You have { $premium } Star Crystals and { $free } Coins.
rewards-none = There is nothing left to claim right now. New rewards come with events and daily missions.

## Events

events = This is on in Starfall right now. Pick an event to learn more.
event-row = Until { $date }
event-details =
    {"*"}{ $title }*
    { $description }

    Until { $date }
event-over = That event is over. Have a look at what is on now.
events-none = Nothing special is on right now. Come back soon: the next event is never far.

## Agents and tickets

agent-queued = An agent will answer you here as soon as it is your turn. Your ticket number is { $number }.
agent-unavailable = I cannot bring in an agent from here. Write to us in the game, under Settings > Help: we answer there too.
purchase-critical = I am sorry that your purchase went wrong. An agent takes over right away and answers within { $seconds } seconds. Your ticket number is { $number }.
purchase-queued = I am sorry that your purchase went wrong. An agent will look into it and answer you here. Your ticket number is { $number }.
ticket-already-open = Your ticket { $number } is open, and an agent will answer you here. You need not do anything more.
ticket-closed = Your ticket { $number } is closed. Is there anything else?
ticket-closed-because =
    Your ticket { $number } is closed: { $resolution }
    Is there anything else?

## For agents

agent-subject-agent = Wants an agent ({ $tier })
agent-subject-purchase-problem = Purchase problem ({ $tier })
agent-player = Player: { $name }, tier { $tier }, priority { $priority }, language { $locale }
agent-unknown-player = Not a known player, language { $locale }
agent-last-purchase = Last purchase: { $product }, { $amount } { $currency }, { $date }, id { $id }
