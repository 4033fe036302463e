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
button-recovery-skip = Weiß ich nicht
button-recovery-cancel = Abbrechen
button-match-accept = Annehmen
button-match-decline = Ablehnen
button-tournament-brackets = Turnierbaum
button-tournament-prizes = Preise
button-tournament-registration = Teilnehmen
button-news-yes = Ja, gerne News
button-news-no = Nein, danke

## Wer schreibt

who-are-you = Willkommen beim Starfall-Support! Damit du hier dein Konto sehen kannst, muss ich wissen, dass du es wirklich bist. Ich schicke dir einen Code: Gib ihn hier im Chat ein. Niemand aus unserem Team wird dich je danach fragen.
code-waiting = Ein Code ist zu dir unterwegs. Gib ihn hier ein, dann geht es weiter. Ist er nicht angekommen, schicke ich dir einen neuen.
prove-first = Dabei gehe ich auf Nummer sicher: Ich schicke dir einen Code, damit ich weiß, dass du es wirklich bist. Gib ihn hier im Chat ein. Niemand aus unserem Team wird dich je danach fragen.
prove-elsewhere = Hier kann ich nicht sicherstellen, dass du es wirklich bist. Im Spiel kannst du das jederzeit tun, es geht nichts verloren. Auch ein Agent hilft dir.
code-later = Es wurden schon mehrere Codes verschickt: Bitte warte etwas, bevor du den nächsten anforderst. Bis dahin geht nichts verloren.
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

## Kontowiederherstellung
# BLOCK ist in jeder Sprache ein Befehl an den Host: Er sichert das Konto sofort.

recovery-intro = Ich helfe dir zurück in dein Konto. Zuerst muss ich sicher sein, dass es deins ist. Kommt das nicht von dir, antworte mit BLOCK, dann ist das Konto sofort gesichert.
recovery-ask-purchase = Wie viel hast du für deinen letzten Kauf in Starfall bezahlt? Gib den Betrag so ein, wie er auf der Rechnung steht, zum Beispiel 4,99.
recovery-ask-question = Deine Sicherheitsfrage: { $question }
recovery-ask-name = Deine Nummer ist mit keinem Konto verknüpft, deshalb muss ein Agent nachsehen. Wie heißt du in Starfall?
recovery-amount-unclear = Ich brauche einen Geldbetrag, in Ziffern.
recovery-answer-unclear = Bitte antworte in einer kurzen Nachricht.
recovery-words-only = Bitte antworte in Worten, hier im Chat.
recovery-try-again = { $left ->
    [one] Das stimmt nicht überein. Du hast noch einen Versuch. Bist das nicht du, antworte mit BLOCK, dann ist das Konto sofort gesichert.
   *[other] Das stimmt nicht überein. Du hast noch { $left } Versuche. Bist das nicht du, antworte mit BLOCK, dann ist das Konto sofort gesichert.
}
recovery-next = Das stimmt nicht überein. Versuchen wir es anders.
recovery-skipped = Macht nichts, es gibt andere Wege.
recovery-thanks = Danke.
recovery-reminder = Bist du noch da? Ich warte auf deine Antwort.
recovery-verified = Danke, das ist dein Konto. Vorläufige Zugangsdaten kommen mit der nächsten Nachricht. Wähle ein neues Passwort, sobald du im Spiel bist. Kommt das nicht von dir, antworte mit BLOCK, dann ist das Konto sofort gesichert.
recovery-human = Ein Agent übernimmt und antwortet dir hier im Chat. Deine Ticketnummer ist { $number }. Kommt das nicht von dir, antworte mit BLOCK, dann ist das Konto sofort gesichert.
recovery-locked = { $minutes ->
    [one] Zu viele Antworten stimmten nicht überein. Zum Schutz des Kontos geht eine Minute lang nichts mehr.
   *[other] Zu viele Antworten stimmten nicht überein. Zum Schutz des Kontos geht { $minutes } Minuten lang nichts mehr.
} Kommt das nicht von dir, antworte mit BLOCK, dann ist das Konto sofort gesichert.
recovery-cancelled = In Ordnung, nichts wurde geändert. Schreib mir wieder, wenn du Hilfe mit deinem Konto brauchst.
recovery-ended = Ich habe nichts mehr von dir gehört und höre hier auf; nichts wurde geändert. Schreib, dass du den Zugang verloren hast, dann fangen wir neu an.
# Vom Host allein gesendet: Kein Flow sieht diese Werte je.
recovery-credentials = { $minutes ->
    [one] Dein vorläufiger Zugang, eine Minute gültig:
   *[other] Dein vorläufiger Zugang, { $minutes } Minuten gültig:
}
    Benutzername: { $username }
    Passwort: { $password }

    Niemand aus unserem Team wird dich je danach fragen. Kommt das nicht von dir, antworte mit BLOCK, dann ist das Konto sofort gesichert.

## Turniere und Matches

tournament-champion = 🏆 Du hast das Turnier „{ $tournament }“ gewonnen! Platz { $position }, vor allen anderen. Herzlichen Glückwunsch!
tournament-top = 🎉 Beim Turnier „{ $tournament }“ bist du auf Platz { $position } gekommen und gehörst zu den Besten. Stark gespielt!
tournament-other = Das Turnier „{ $tournament }“ ist vorbei, und du bist auf Platz { $position } gekommen. Danke fürs Mitspielen!
tournament-prize = Dein Preis: { $prize }. Er liegt im Spiel in deinem Postfach.
tournament-no-prize = diesmal keiner
tournament-personal = Unser Turnierteam schreibt dir hier im Chat auch persönlich. Deine Ticketnummer ist { $number }.
tournament-player = Spieler
tournament-unavailable = Das kann ich von hier aus nicht nachsehen. Du findest es im Spiel unter Wettkampf > Turniere.
match-found = ⚔️ Match gefunden: { $mode } gegen { $opponent }. Nimmst du an? Du hast { $time }.
match-accepted = Du hast das Match gegen { $opponent } angenommen. Öffne Starfall: Es beginnt, sobald ihr beide da seid. Viel Glück!
match-declined = Du hast das Match gegen { $opponent } abgelehnt. Dein Platz in der Warteschlange bleibt.
match-late = Die Zeit zum Antworten ist vorbei, oder das Match fällt aus. Das nächste findest du im Spiel unter Wettkampf.
match-missed = Die Zeit zum Antworten auf das Match gegen { $opponent } ist vorbei. Das nächste findest du im Spiel unter Wettkampf.
match-in-game = Von hier aus kann ich deine Antwort nicht weitergeben. Öffne Starfall und antworte dort.
duration-seconds = { $seconds ->
    [one] eine Sekunde
   *[other] { $seconds } Sekunden
}
duration-minutes = { $minutes ->
    [one] eine Minute
   *[other] { $minutes } Minuten
}
tournament-news-question = Sollen wir dir hier auf WhatsApp Neuigkeiten über Turniere in Starfall schicken: neue Turniere, Anmeldung und Angebote dazu? Mit STOP beendest du es jederzeit.
tournament-news-on = Erledigt: Du bekommst hier Turniernews. Mit STOP beendest du es jederzeit.
tournament-news-off = Erledigt: Du bekommst keine Turniernews. Ergebnisse und Matches deiner eigenen Turniere kommen weiter an.
tournament-news-already-on = Du bekommst schon Turniernews. Mit STOP beendest du es jederzeit.
tournament-news-unavailable = Das kann ich hier nicht ändern. Du findest es im Spiel unter Einstellungen > Benachrichtigungen.

## Für Agenten

agent-subject-agent = Möchte einen Agenten ({ $tier })
agent-subject-purchase-problem = Problem mit einem Kauf ({ $tier })
agent-player = Spieler: { $name }, Stufe { $tier }, Priorität { $priority }, Sprache { $locale }
agent-unknown-player = Kein bekannter Spieler, Sprache { $locale }
agent-last-purchase = Letzter Kauf: { $product }, { $amount } { $currency }, { $date }, id { $id }
agent-subject-account-recovery = Zugang zum Konto verloren ({ $tier })
agent-recovery-player = Gibt an zu sein: { $name }, Stufe { $tier }, Sprache { $locale }
agent-recovery-name = Gibt an zu sein: { $name }
agent-recovery-why-asked = Wollte einen Agenten.
agent-recovery-why-unknown = Der Kontakt ist mit keinem Konto verknüpft, es konnte nichts geprüft werden.
agent-recovery-why-unclear = Was geprüft werden konnte, reichte nicht.
agent-recovery-why-locked = Zu viele Antworten waren falsch: Die Wiederherstellung ist eine Weile gesperrt.
agent-recovery-why-refused = Es war klar genug, und die Zugangsdaten konnten nicht ausgestellt werden.
agent-recovery-check-device = Gerät
agent-recovery-check-purchase = Betrag des letzten Kaufs
agent-recovery-check-question = Sicherheitsfrage
agent-recovery-verdict-matched = stimmt überein
agent-recovery-verdict-different = stimmt nicht überein
agent-recovery-verdict-unknown = nichts zum Vergleichen
agent-recovery-verdict-skipped = konnte nicht antworten
agent-recovery-points = Punkte: { $points } von { $needed } nötigen. Falsche Antworten: { $wrong }.
agent-subject-tournament = Gratulieren: Platz { $position } ({ $tier })
agent-tournament = { $name }, Stufe { $tier }, kam beim Turnier „{ $tournament }“ auf Platz { $position } und erwartet eine persönliche Nachricht. Sprache { $locale }

# Was der Host selbst über Verknüpfungen von Chats mit Konten sagt.
host-link-message = Bitte verknüpfe diesen Chat mit meinem Starfall-Konto. { $token }
host-linked = Willkommen, { $player }! Dieser Chat ist mit deinem { $game }-Konto verknüpft. Schreib UNLINK, um das zu beenden.
host-link-approve = Zulassen
host-link-deny = Ablehnen
host-link-wrong = Dieser Link funktioniert nicht. Hol dir in Starfall einen neuen.
host-link-used = Dieser Link wurde schon benutzt. Hol dir in Starfall einen neuen.
host-link-expired = Dieser Link ist zu alt. Hol dir in Starfall einen neuen.
host-link-many = Zu viele Links, die nicht funktionieren. Versuch es in einer Stunde wieder.
host-link-later = Das geht gerade nicht. Schick deine Nachricht in einer Minute noch einmal.
host-link-full = Das Konto hat so viele Chats, wie es haben kann. Beende zuerst einen davon.
host-link-frozen = Mit diesem Konto kann jetzt nichts verknüpft werden.
host-link-prove = Dieser Chat gehört zu einem anderen Konto. Um ihn umzuziehen, schreib hier den Code, den wir dir jetzt schicken.
host-link-other = Dieser Chat gehört zu einem anderen Konto. Beende diese Verknüpfung zuerst in Starfall.
host-link-asked = Das Konto ist mit { $contact } verknüpft. Wir haben dort gefragt: lass es innerhalb von { $minutes } Minuten zu.
host-link-ask = { $contact } will mit deinem { $game }-Konto verknüpft werden. Wenn das nicht von dir kommt, lehne es ab.
host-link-approved = { $contact } ist mit deinem Konto verknüpft.
host-link-denied = { $contact } ist nicht verknüpft. Wenn das nicht von dir kam, schreib BLOCK, um dein Konto zu sichern.
host-link-gone = Das wurde schon beantwortet, oder es ist zu spät.
host-link-not-approved = Wem das Konto gehört, hat nicht zugestimmt: dieser Chat ist nicht verknüpft.
host-link-unanswered = Niemand hat es rechtzeitig zugelassen: dieser Chat ist nicht verknüpft.
host-unlink-prove = Um die Verknüpfung zu beenden, schreib hier den Code, den wir dir jetzt schicken.
host-unlink-none = Dieser Chat ist mit keinem Konto verknüpft.
host-unlink-elsewhere = Das geht hier gerade nicht. Beende die Verknüpfung in Starfall.
host-unlinked = Dieser Chat ist nicht mehr mit deinem { $game }-Konto verknüpft.

## Zweiter Faktor: sagt der Host selbst

host-challenge =
    { $detail }

    Bist du das? Dann tippe auf die Zahl, die { $game } dir zeigt. Bist du es nicht, antworte { $no }: Dann kommt niemand hinein.
host-challenge-no = NEIN
host-challenge-login = Jemand meldet sich in deinem Konto an.
host-challenge-registration = Jemand legt mit deiner Nummer ein Konto an.
host-challenge-device-authorisation = Jemand möchte dein Konto auf einem neuen Gerät benutzen.
host-challenge-high-value = Jemand möchte in deinem Konto etwas Wichtiges ändern.
host-challenge-security-alert = Mit deinem Konto ist etwas geschehen, das du wissen solltest.
host-challenge-from = { $what } Von { $ip }.
host-challenge-approved = Danke, du warst es. Im Spiel geht es weiter.
host-challenge-denied = Danke, niemand kommt hinein. Wenn jemand dein Passwort kennen könnte, ändere es jetzt.
host-challenge-wrong = Das ist nicht die Zahl, die das Spiel zeigt. Niemand kommt hinein. Wenn du es warst, versuche es im Spiel noch einmal.
host-challenge-locked = { $minutes ->
    [one] Niemand kommt hinein, und für eine Minute wirst du nicht wieder gefragt. Wenn du es nicht warst, ändere jetzt dein Passwort.
   *[other] Niemand kommt hinein, und für { $minutes } Minuten wirst du nicht wieder gefragt. Wenn du es nicht warst, ändere jetzt dein Passwort.
}
host-challenge-over = Diese Frage hat sich erledigt. Wenn du es bist, versuche es im Spiel noch einmal.
host-two-factor-on = Der Schutz mit zwei Faktoren ist an: { $game } fragt dich ab jetzt hier, ob du es bist. Bewahre deine Wiederherstellungscodes sicher auf.
host-two-factor-off = Der Schutz mit zwei Faktoren ist aus: { $game } fragt dich hier nicht mehr, ob du es bist.
host-devices = Diese Geräte dürfen dein Konto benutzen. Wähle eines aus, um es zu entfernen.
host-devices-button = Geräte
host-devices-none = Mit deinem Konto ist kein Gerät verbunden.
host-devices-unknown = Ich weiß nicht, welches Konto deines ist.
host-device-unnamed = Ein Gerät
host-device-seen = Zuletzt gesehen: { $date }
host-device-removed = { $device } ist aus deinem Konto entfernt.
host-device-gone = Dieses Gerät ist nicht mehr mit deinem Konto verbunden.
host-device-code = Um { $device } zu entfernen, muss ich wissen, dass du es bist: Schreib den Code, der jetzt kommt, hier in den Chat.
host-device-later = Ich kann dir gerade keinen Code schicken. Versuche es später noch einmal.
