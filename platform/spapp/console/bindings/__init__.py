"""The pages of app bindings: what every appid is bound as, and whether WeChat agrees."""
