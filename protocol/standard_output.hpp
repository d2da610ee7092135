#pragma once

/// What a program prints, all of it or a reason why not: a full disk and a reader that is gone are told, not ignored.

#include <string>
#include <string_view>

namespace gangway {

/// Makes standard input, output and error exist, so that no file or socket that is opened later becomes one of them;
/// and lets writing to a reader that is gone fail instead of ending the process. To be called first in `main`.
void guard_standard_streams();

/// Writes all of `text` to standard output. Returns what was in the way ("standard output cannot be written: No space
/// left on device"), or nothing.
std::string print(std::string_view text);

} // namespace gangway
