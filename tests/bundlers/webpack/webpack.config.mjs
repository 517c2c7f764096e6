export default {
  mode: 'production',
  entry: './main.js',
  // Two thirds of the time; Vite's and Next's builds are minified.
  optimization: { minimize: false },
};
