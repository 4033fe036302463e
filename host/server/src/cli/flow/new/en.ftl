# Texts, in Fluent (projectfluent.org). A button's title has at most 20 characters.

hello = Hello { $name }! How can I help you?
hello-again = Welcome back, { $name }!
agent-called = An agent will answer you here. Your ticket number is { $number }.
button-agent = Speak to Agent
