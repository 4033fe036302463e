hello = Hello *{ $name }*, you are { $tier }. Roll the _dice_!
