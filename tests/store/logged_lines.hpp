#pragma once

#include <stdexcept>
#include <string>
#include <utility>

#include <unistd.h>

#include "protocol/log.hpp"

namespace gangway::store_tests {

/// What is logged as long as this lives.
class logged_lines {
public:
  logged_lines() {
    if (::pipe(ends_) != 0) throw std::runtime_error{"no pipe"};
    log::start({.format = log::format::json, .descriptor = ends_[1]});
  }

  ~logged_lines() {
    if (ends_[1] >= 0) take();
    ::close(ends_[0]);
  }

  /// Ends the log and returns it. A test writes less than a pipe holds.
  std::string take() {
    log::stop();
    ::close(std::exchange(ends_[1], -1));
    std::string result;
    char buffer[4096];
    for (ssize_t count = 0; (count = ::read(ends_[0], buffer, sizeof buffer)) > 0;)
      result.append(buffer, static_cast<std::size_t>(count));
    return result;
  }

private:
  int ends_[2]{-1, -1};
};

} // namespace gangway::store_tests
