// The API key of this tab: it is gone when the tab is closed, and other pages cannot read it.

const KEY = "unmask-key";

export const getKey = () => sessionStorage.getItem(KEY);

export function setKey(key) {
  if (key) sessionStorage.setItem(KEY, key);
  else sessionStorage.removeItem(KEY);
}

export const credentials = () => (getKey() ? { Authorization: `Bearer ${getKey()}` } : {});
