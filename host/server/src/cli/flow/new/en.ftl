# Texts, in Fluent (projectfluent.org). A button's title has at most 20 characters.

{{name}}-hello = Hello { $name }! How can I help you?
{{name}}-hello-again = Welcome back, { $name }!
{{name}}-agent = An agent will answer you here. Your ticket number is { $number }.
{{name}}-button-agent = Speak to Agent
