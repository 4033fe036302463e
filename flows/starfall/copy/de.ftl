# Starfalls Texte auf Deutsch. Werte kommen fertig an: Zahlen und Daten sind so geschrieben, wie es die Sprache tut.
# WhatsApps Grenzen: Der Titel eines Knopfes hat höchstens 20 Zeichen, ein Text über Knöpfen 1024.

## Namen

currency-premium = Sternkristalle
currency-free = Münzen

## Knöpfe

button-balance = Mein Guthaben
button-events = Aktuelle Events
button-agent = Mit Agent sprechen
button-transactions = Meine Buchungen
button-claim-rewards = Belohnungen abholen
button-menu = Hauptmenü
button-new-code = Neuen Code senden
button-events-open = Events ansehen

## Wer schreibt

who-are-you = Willkommen beim Starfall-Support! Damit du hier dein Konto sehen kannst, muss ich wissen, dass du es wirklich bist. Ich schicke dir einen Code: Gib ihn hier im Chat ein. Niemand aus unserem Team wird dich je danach fragen.
code-waiting = Ein Code ist zu dir unterwegs. Gib ihn hier ein, dann geht es weiter. Ist er nicht angekommen, schicke ich dir einen neuen.
code-accepted = Danke, das war der richtige Code!
code-wrong = { $attempts ->
    [one] Das ist nicht der richtige Code. Du hast noch einen Versuch.
   *[other] Das ist nicht der richtige Code. Du hast noch { $attempts } Versuche.
}
code-dead = Dieser Code gilt nicht mehr. Ich kann dir einen neuen schicken oder dich mit einem Agenten verbinden.
link-in-game = Ich kenne dein Konto noch nicht. Öffne Starfall auf deinem Gerät, gehe zu Einstellungen > Konto > WhatsApp verknüpfen und bestätige dort deine Nummer. Schreib mir dann noch einmal. Wenn du nicht ins Spiel kommst, hilft dir ein Agent.

## Menü

greeting = Hallo { $name }! Was kann ich für dich tun? Ich zeige dir dein Guthaben und was im Spiel los ist, oder hole einen Agenten dazu. Ist bei einem Kauf etwas schiefgegangen? Dann erzähl mir einfach, was passiert ist.
greeting-nameless = Hallo! Was kann ich für dich tun? Ich zeige dir dein Guthaben und was im Spiel los ist, oder hole einen Agenten dazu. Ist bei einem Kauf etwas schiefgegangen? Dann erzähl mir einfach, was passiert ist.
not-understood = Das habe ich leider nicht verstanden. Wähle etwas aus oder sag es mit anderen Worten: Ich helfe bei Guthaben, Belohnungen, Events und Käufen.
content-unreadable = Mit dieser Art von Nachricht kann ich nichts anfangen. Wähle etwas aus oder sag es mir in Worten.
media-received = Danke, es ist angekommen, aber ich selbst kann es mir nicht ansehen. Ein Agent kann das: Sag ihm, was darauf zu sehen ist.
service-unavailable = Das kann ich von hier aus nicht nachsehen. Ein Agent kann das für dich tun.

## Guthaben

balance =
    Dein Guthaben:
    ✨ Sternkristalle: { $premium }
    🪙 Münzen: { $free }
    🎁 Wartende Belohnungen: { $rewards }
transactions =
    Deine letzten Buchungen:
    { $lines }
transactions-none = Auf deinem Konto gibt es noch keine Buchungen.
rewards-claimed =
    Diese Belohnungen gehören jetzt dir:
    { $lines }

    Du hast { $premium } Sternkristalle und { $free } Münzen.
rewards-none = Im Moment gibt es nichts abzuholen. Neue Belohnungen bringen Events und tägliche Missionen.

## Events

events = Das ist gerade in Starfall los. Wähle ein Event aus, um mehr zu erfahren.
event-row = Bis { $date }
event-details =
    {"*"}{ $title }*
    { $description }

    Bis { $date }
event-over = Dieses Event ist vorbei. Schau nach, was jetzt los ist.
events-none = Gerade ist nichts Besonderes los. Schau bald wieder vorbei: Das nächste Event kommt bestimmt.

## Agenten und Tickets

agent-queued = Ein Agent antwortet dir hier, sobald du an der Reihe bist. Deine Ticketnummer ist { $number }.
agent-unavailable = Von hier aus kann ich keinen Agenten holen. Schreib uns im Spiel unter Einstellungen > Hilfe: Auch dort antworten wir.
purchase-critical = Es tut mir leid, dass bei deinem Kauf etwas schiefgegangen ist. Ein Agent übernimmt sofort und antwortet innerhalb von { $seconds } Sekunden. Deine Ticketnummer ist { $number }.
purchase-queued = Es tut mir leid, dass bei deinem Kauf etwas schiefgegangen ist. Ein Agent sieht es sich an und antwortet dir hier. Deine Ticketnummer ist { $number }.
ticket-already-open = Dein Ticket { $number } ist offen, und ein Agent antwortet dir hier. Du musst nichts weiter tun.
ticket-closed = Dein Ticket { $number } ist geschlossen. Gibt es noch etwas?
ticket-closed-because =
    Dein Ticket { $number } ist geschlossen: { $resolution }
    Gibt es noch etwas?

## Für Agenten

agent-subject-agent = Möchte einen Agenten ({ $tier })
agent-subject-purchase-problem = Problem mit einem Kauf ({ $tier })
agent-player = Spieler: { $name }, Stufe { $tier }, Priorität { $priority }, Sprache { $locale }
agent-unknown-player = Kein bekannter Spieler, Sprache { $locale }
agent-last-purchase = Letzter Kauf: { $product }, { $amount } { $currency }, { $date }, id { $id }
