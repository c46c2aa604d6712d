"""Mini-program login: a wx.login code becomes a session token of ours."""
