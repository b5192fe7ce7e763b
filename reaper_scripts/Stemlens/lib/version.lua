-- @noindex
-- Which scripts these are, and which mailbox they speak. Checked against the package's header.

return { scripts = "0.1.0", mailbox = 1 }
