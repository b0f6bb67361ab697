// The page: which address shows what.

import { getKey } from "/static/key.js";
import { route, start } from "/static/router.js";
import { viewHome } from "/static/view_home.js";
import { showKeyForm } from "/static/view_key.js";
import { viewList } from "/static/view_list.js";
import { viewModel } from "/static/view_model.js";
import { viewModels } from "/static/view_models.js";
import { viewVideo } from "/static/view_video.js";

const ASKS_FOR_KEY = document.querySelector('meta[name="asks-for-key"]').content === "true";

/** Where the server asks for a key, nothing works before there is one. */
const guarded = (view) => (context, ...groups) =>
  ASKS_FOR_KEY && getKey() === null ? showKeyForm(context) : view(context, ...groups);

route(/^\/$/, guarded(viewHome));
route(/^\/app\/videos$/, guarded(viewList));
route(/^\/app\/videos\/([^/]+)$/, guarded(viewVideo));
route(/^\/app\/models$/, guarded(viewModels));
route(/^\/app\/models\/([^/]+)\/([^/]+)$/, guarded(viewModel));

// Addresses of earlier versions.
const former = new URLSearchParams(location.search).get("video");
if (location.pathname === "/" && former) {
  history.replaceState(null, "", `/app/videos/${encodeURIComponent(former)}`);
}
start();
