-- Adds a dead letter. Answers its name.
return bury(arg(), arg(), arg())
