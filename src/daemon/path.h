// Paths of the configuration.
#pragma once

// The path as the system takes it, a new string; NULL: out of memory. On Windows "%ProgramData%" at its
// beginning is the folder that Windows has for it (not the variable, which anybody may set), and its slashes
// become backslashes then; elsewhere the path is as it stands.
char *sl_path(const char *text);
