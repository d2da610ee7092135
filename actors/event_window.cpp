#include "actors/event_window.hpp"

#include <utility>

namespace gangway {

void event_window::push(sequence seq, frame text) {
  if (size() == 0) first_ = seq;
  bytes_ += text->size();
  frames_.push_back(std::move(text));
  while (size() > frames_max || (bytes_ > bytes_max && size() > 1))
    forget_first();
  pack();
}

void event_window::forget(sequence seq) {
  while (size() > 0 && first_ <= seq)
    forget_first();
  pack();
}

void event_window::forget_first() {
  bytes_ -= frames_[begin_]->size();
  frames_[begin_++].reset();
  ++first_;
}

// Moved together only when half of it is forgotten, so that a push costs a constant on average.
void event_window::pack() {
  if (begin_ * 2 <= frames_.size()) return;
  frames_.erase(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(begin_));
  begin_ = 0;
}

void event_window::reset(sequence next) {
  frames_ = {};
  begin_ = 0;
  bytes_ = 0;
  first_ = next;
}

} // namespace gangway
