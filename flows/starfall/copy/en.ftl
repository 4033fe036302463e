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
button-recovery-skip = I Don't Know
button-recovery-cancel = Cancel
button-match-accept = Accept
button-match-decline = Decline
button-tournament-brackets = Brackets
button-tournament-prizes = Prizes
button-tournament-registration = Register
button-news-yes = Yes, Send Me News
button-news-no = No, Thanks

## Who is writing

who-are-you = Welcome to Starfall support! To see your account here I need to know that it is really you. I am sending you a code: enter it here, in this chat. Nobody from our team will ever ask you for it.
code-waiting = A code is on its way to you. Type it here to go on. If it did not arrive, I can send a new one.
prove-first = That is worth a moment of care: I am sending you a code, to be sure that it is really you. Enter it here, in this chat. Nobody from our team will ever ask you for it.
prove-elsewhere = I cannot make sure here that it is really you. You can do this in Starfall at any time, and nothing of it is lost. An agent can help you too.
code-later = Several codes were sent already: please wait a little before you ask for the next one. Nothing is lost meanwhile.
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

## Account recovery
# BLOCK is a command of the host in every language: it secures the account at once.

recovery-intro = I can help you back into your account. First I have to make sure that it is yours. If you did not ask for this, reply BLOCK, and the account is secured at once.
recovery-ask-purchase = How much did you pay for your last purchase in Starfall? Type the amount as it stands on the receipt, for instance 4.99.
recovery-ask-question = Your security question: { $question }
recovery-ask-name = Your number is not linked to an account, so an agent has to look at it. What is your player name in Starfall?
recovery-amount-unclear = I need one amount of money, in digits.
recovery-answer-unclear = Please answer in one short message.
recovery-words-only = Please answer in words, here in this chat.
recovery-try-again = { $left ->
    [one] That does not match. You have one more try. If this is not you, reply BLOCK, and the account is secured at once.
   *[other] That does not match. You have { $left } more tries. If this is not you, reply BLOCK, and the account is secured at once.
}
recovery-next = That does not match. Let us try it another way.
recovery-skipped = Never mind, there are other ways.
recovery-thanks = Thank you.
recovery-reminder = Are you still there? I am waiting for your answer.
recovery-verified = Thank you, this is your account. Temporary sign-in details follow in the next message. Choose a new password as soon as you are in. If you did not ask for this, reply BLOCK, and the account is secured at once.
recovery-human = An agent takes it from here and answers you in this chat. Your ticket number is { $number }. If you did not ask for this, reply BLOCK, and the account is secured at once.
recovery-locked = { $minutes ->
    [one] Too many answers did not match. To protect the account, nothing more can be tried for one minute.
   *[other] Too many answers did not match. To protect the account, nothing more can be tried for { $minutes } minutes.
} If you did not ask for this, reply BLOCK, and the account is secured at once.
recovery-cancelled = All right, nothing was changed. Write to me again if you need help with your account.
recovery-ended = I have not heard from you, so I stop here; nothing was changed. Write that you lost access to begin again.
# Sent by the host alone: no flow ever sees these values.
recovery-credentials = { $minutes ->
    [one] Your temporary sign-in, good for one minute:
   *[other] Your temporary sign-in, good for { $minutes } minutes:
}
    User name: { $username }
    Password: { $password }

    Nobody from our team will ever ask you for it. If you did not ask for this, reply BLOCK, and the account is secured at once.

## Tournaments and matches

tournament-champion = 🏆 You won { $tournament }! Position { $position }, above everybody else. Congratulations, champion!
tournament-top = 🎉 You finished { $tournament } in position { $position }, among the best. Well played!
tournament-other = { $tournament } is over, and you finished in position { $position }. Thank you for playing!
tournament-prize = Your prize: { $prize }. It is waiting in your inbox in the game.
tournament-no-prize = none this time
tournament-personal = Our tournament team will also write to you personally, here in this chat. Your ticket number is { $number }.
tournament-player = player
tournament-unavailable = I cannot look that up here. You find it in the game, under Compete > Tournaments.
match-found = ⚔️ Match found: { $mode } against { $opponent }. Do you accept? You have { $time }.
match-accepted = You accepted the match against { $opponent }. Open Starfall: it starts as soon as both of you are there. Good luck!
match-declined = You declined the match against { $opponent }. You keep your place in the queue.
match-late = The time to answer is over, or the match is off. You find the next one in the game, under Compete.
match-missed = The time to answer for the match against { $opponent } is over. You find the next one in the game, under Compete.
match-in-game = I cannot pass on your answer from here. Open Starfall and answer there.
duration-seconds = { $seconds ->
    [one] one second
   *[other] { $seconds } seconds
}
duration-minutes = { $minutes ->
    [one] one minute
   *[other] { $minutes } minutes
}
tournament-news-question = Shall we send you news about tournaments in Starfall here on WhatsApp: new tournaments, registration and offers around them? You can end it at any time by writing STOP.
tournament-news-on = Done: you will get tournament news here. Write STOP at any time to end it.
tournament-news-off = Done: you will get no tournament news. Results and matches of tournaments that you play in still arrive.
tournament-news-already-on = You get tournament news already. Write STOP at any time to end it.
tournament-news-unavailable = I cannot change that here. You find it in the game, under Settings > Notifications.

## For agents

agent-subject-agent = Wants an agent ({ $tier })
agent-subject-purchase-problem = Purchase problem ({ $tier })
agent-player = Player: { $name }, tier { $tier }, priority { $priority }, language { $locale }
agent-unknown-player = Not a known player, language { $locale }
agent-last-purchase = Last purchase: { $product }, { $amount } { $currency }, { $date }, id { $id }
agent-subject-account-recovery = Lost access to the account ({ $tier })
agent-recovery-player = Says to be: { $name }, tier { $tier }, language { $locale }
agent-recovery-name = Says to be: { $name }
agent-recovery-why-asked = The player asked for an agent.
agent-recovery-why-unknown = The contact is linked to no account, so nothing could be checked.
agent-recovery-why-unclear = What could be checked was not enough.
agent-recovery-why-locked = Too many answers were wrong: the recovery is locked for a while.
agent-recovery-why-refused = It was clear enough, and the credentials could not be issued.
agent-recovery-check-device = Device
agent-recovery-check-purchase = Amount of the last purchase
agent-recovery-check-question = Security question
agent-recovery-verdict-matched = matched
agent-recovery-verdict-different = did not match
agent-recovery-verdict-unknown = nothing to compare with
agent-recovery-verdict-skipped = the player could not answer
agent-recovery-points = Points: { $points } of { $needed } needed. Wrong answers: { $wrong }.
agent-subject-tournament = Congratulate: position { $position } ({ $tier })
agent-tournament = { $name }, tier { $tier }, finished { $tournament } in position { $position } and expects a personal message. Language { $locale }

# The host's own words about links of chats to accounts.
host-link-message = Please link this chat to my Starfall account. { $token }
host-linked = Welcome, { $player }! This chat is linked to your { $game } account. Write UNLINK to end that.
host-link-approve = Approve
host-link-deny = Deny
host-link-wrong = This link does not work. Ask for a new one in Starfall.
host-link-used = This link was used before. Ask for a new one in Starfall.
host-link-expired = This link is too old. Ask for a new one in Starfall.
host-link-many = Too many links that do not work. Try again in an hour.
host-link-later = This does not work just now. Send your message again in a minute.
host-link-full = The account has as many chats as it can have. End one of them first.
host-link-frozen = Nothing can be linked to this account now.
host-link-prove = This chat belongs to another account. To move it, write the code here that we send you now.
host-link-other = This chat belongs to another account. End that link in Starfall first.
host-link-asked = The account is linked to { $contact }. We have asked there: approve it within { $minutes } minutes.
host-link-ask = { $contact } wants to be linked to your { $game } account. If you did not start this yourself, deny it.
host-link-approved = { $contact } is linked to your account.
host-link-denied = { $contact } is not linked. If you did not start this yourself, write BLOCK to secure your account.
host-link-gone = This was answered before, or it is too late.
host-link-not-approved = The account's owner has not agreed: this chat is not linked.
host-link-unanswered = Nobody has approved it in time: this chat is not linked.
host-unlink-prove = To end the link, write the code here that we send you now.
host-unlink-none = This chat is linked to no account.
host-unlink-elsewhere = This cannot be done here now. End the link in Starfall.
host-unlinked = This chat is linked to your { $game } account no more.

## Second factor: said by the host itself

host-challenge =
    { $detail }

    Is this you? Then tap the number that { $game } shows you. If it is not you, answer { $no }: nobody gets in.
host-challenge-no = NO
host-challenge-login = Somebody signs in to your account.
host-challenge-registration = Somebody makes an account with your number.
host-challenge-device-authorisation = Somebody wants to use your account on a new device.
host-challenge-high-value = Somebody wants to change something important in your account.
host-challenge-security-alert = Something happened to your account that you should know of.
host-challenge-from = { $what } From { $ip }.
host-challenge-approved = Thank you: it was you. It goes on in the game.
host-challenge-denied = Thank you: nobody gets in. If somebody else may know your password, change it now.
host-challenge-wrong = That is not the number that the game shows, so nobody gets in. If it was you, try once more in the game.
host-challenge-locked = { $minutes ->
    [one] Nobody gets in, and you are not asked again for a minute. If it was not you, change your password now.
   *[other] Nobody gets in, and you are not asked again for { $minutes } minutes. If it was not you, change your password now.
}
host-challenge-over = This question is over. If it is you, try once more in the game.
host-two-factor-on = Two-factor protection is on: from now on { $game } asks you here whether it is you. Keep your recovery codes in a safe place.
host-two-factor-off = Two-factor protection is off: { $game } no longer asks you here whether it is you.
host-devices = These devices may use your account. Choose one to remove it.
host-devices-button = Devices
host-devices-none = No device is bound to your account.
host-devices-unknown = I do not know which account is yours.
host-device-unnamed = A device
host-device-seen = Last seen { $date }
host-device-removed = { $device } is removed from your account.
host-device-gone = This device is not bound to your account any more.
host-device-code = To remove { $device } I have to know that it is you: write the code that comes now here in the chat.
host-device-later = I cannot send you a code now. Please try again later.
